//! The controller's end of a control connection: one command, one reply, and events in between.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How long the client may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// A reply that is longer than this is not read any further.
const LONGEST: u64 = 256 * 1024 * 1024;

/// Where a control port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One line of a reply, with its data if it has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) code: u16,
    pub(crate) text: String,
    pub(crate) data: Option<String>,
}

/// A connection that has authenticated.
pub(crate) struct Link {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Box<dyn Write + Send>,
    /// Events that came while a reply was awaited.
    events: VecDeque<String>,
    socket: Option<Socket>,
}

/// What the connection is made of, to say how long it may be silent.
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_read_timeout(patience),
            Self::Unix(socket) => socket.set_read_timeout(patience),
        }
    }
}

impl Link {
    /// Connects and authenticates: by cookie where the client says where it is, else by `password`.
    pub(crate) fn open(place: &Place, password: Option<&str>) -> Result<Self> {
        let failed = || format!("no control port at {place}; is the client running with ControlPort set?");
        let (reader, writer, socket): (Box<dyn Read + Send>, Box<dyn Write + Send>, Socket) = match place {
            Place::Tcp(address) => {
                let socket = TcpStream::connect(address).with_context(failed)?;
                socket.set_nodelay(true)?;
                (Box::new(socket.try_clone()?), Box::new(socket.try_clone()?), Socket::Tcp(socket))
            }
            Place::Unix(path) => {
                let socket = UnixStream::connect(path).with_context(failed)?;
                (Box::new(socket.try_clone()?), Box::new(socket.try_clone()?), Socket::Unix(socket))
            }
        };
        socket.set_patience(Some(PATIENCE))?;
        let mut link =
            Self { reader: BufReader::new(reader), writer, events: VecDeque::new(), socket: Some(socket) };
        link.authenticate(password)?;
        Ok(link)
    }

    fn authenticate(&mut self, password: Option<&str>) -> Result<()> {
        let info = self.ask("PROTOCOLINFO 1")?;
        let auth =
            info.iter().find_map(|line| line.text.strip_prefix("AUTH ")).unwrap_or_default().to_owned();
        let offered = |method: &str| {
            let methods = auth.split(' ').find_map(|word| word.strip_prefix("METHODS=")).unwrap_or_default();
            methods.split(',').any(|offer| offer == method)
        };
        if offered("NULL") {
            return self.ask("AUTHENTICATE").map(drop);
        }
        if let (true, Some(password)) = (offered("HASHEDPASSWORD"), password) {
            return self.ask(&format!("AUTHENTICATE {}", quote(password))).map(drop);
        }
        if offered("SAFECOOKIE") {
            let file = auth.split_once("COOKIEFILE=").and_then(|(_, quoted)| unquote(quoted));
            let file = file.context("the client does not say where its cookie is")?;
            let cookie = fs::read(&file).with_context(|| format!("can't read the cookie {file}"))?;
            return self.show_cookie(&cookie);
        }
        bail!("the control port wants a password: give it by TOR_CONTROL_PASSWD or --password-file")
    }

    /// SAFECOOKIE: each end proves that it knows the cookie, and tells it to nobody.
    fn show_cookie(&mut self, cookie: &[u8]) -> Result<()> {
        let mut ours = [0; 32];
        rand::rng().fill_bytes(&mut ours);
        let challenge = self.ask(&format!("AUTHCHALLENGE SAFECOOKIE {}", hex::encode(ours)))?;
        let words = challenge.first().map(|line| line.text.clone()).unwrap_or_default();
        let value = |key: &str| -> Result<Vec<u8>> {
            let word = words.split(' ').find_map(|word| word.strip_prefix(key));
            Ok(hex::decode(word.context("a challenge without all that it needs")?)?)
        };
        let (theirs, hash) = (value("SERVERNONCE=")?, value("SERVERHASH=")?);
        let prove = |key: &str| -> Result<Vec<u8>> {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())?;
            [cookie, &ours, &theirs].iter().for_each(|part| mac.update(part));
            Ok(mac.finalize().into_bytes().to_vec())
        };
        let expected = prove("Tor safe cookie authentication server-to-controller hash")?;
        ensure!(bool::from(expected.ct_eq(&hash)), "who listens there does not know the cookie");
        let answer = prove("Tor safe cookie authentication controller-to-server hash")?;
        self.ask(&format!("AUTHENTICATE {}", hex::encode(answer))).map(drop)
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// What the client refuses, with its words; and what the connection can't do.
    pub(crate) fn ask(&mut self, command: &str) -> Result<Vec<Line>> {
        self.writer.write_all(format!("{command}\r\n").as_bytes())?;
        self.writer.flush()?;
        loop {
            let (reply, raw) = self.read_reply()?;
            if reply.first().is_some_and(|line| line.code == 650) {
                self.events.push_back(raw);
                continue;
            }
            let last = reply.last().context("an empty reply")?;
            ensure!(last.code / 100 == 2, "{} {}", last.code, last.text);
            return Ok(reply);
        }
    }

    /// The value of a GETINFO key.
    pub(crate) fn info(&mut self, key: &str) -> Result<String> {
        let reply = self.ask(&format!("GETINFO {key}"))?;
        let first = reply.into_iter().next().context("an empty reply")?;
        let value = first.text.split_once('=').map(|(_, value)| value.to_owned()).unwrap_or_default();
        Ok(first.data.unwrap_or(value))
    }

    /// Subscribes to events. From now on the client may be silent for as long as it likes.
    pub(crate) fn listen(&mut self, events: &[impl AsRef<str>]) -> Result<()> {
        let names: Vec<_> = events.iter().map(AsRef::as_ref).collect();
        self.ask(&format!("SETEVENTS {}", names.join(" ")))?;
        self.socket.as_ref().map_or(Ok(()), |socket| socket.set_patience(None))?;
        Ok(())
    }

    /// Waits for the next event: its whole text. `None` when the client has closed the connection.
    pub(crate) fn event(&mut self) -> Result<Option<String>> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        match self.read_reply() {
            Ok((_, raw)) => Ok(Some(raw)),
            Err(error) => match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::UnexpectedEof) => Ok(None),
                _ => Err(error),
            },
        }
    }

    fn read_reply(&mut self) -> Result<(Vec<Line>, String)> {
        let (mut lines, mut raw) = (Vec::new(), String::new());
        loop {
            let line = self.read_line(&mut raw)?;
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.with_context(|| format!("not a reply: {line:?}"))?;
            let text = line.get(4..).unwrap_or_default().to_owned();
            let separator = line.get(3..4);
            let data = if separator == Some("+") { Some(self.read_data(&mut raw)?) } else { None };
            lines.push(Line { code, text, data });
            if separator == Some(" ") {
                return Ok((lines, raw));
            }
        }
    }

    fn read_data(&mut self, raw: &mut String) -> Result<String> {
        let mut data = String::new();
        loop {
            let line = self.read_line(raw)?;
            if line == "." {
                return Ok(data);
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push('\n');
        }
    }

    fn read_line(&mut self, raw: &mut String) -> Result<String> {
        let mut line = Vec::new();
        (&mut self.reader).take(LONGEST).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Err(
                io::Error::new(io::ErrorKind::UnexpectedEof, "the client closed the connection").into()
            );
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        raw.push_str(&line);
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// A quoted string of the control protocol.
pub(crate) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The text of the quoted string that `quoted` begins with.
fn unquote(quoted: &str) -> Option<String> {
    let mut chars = quoted.strip_prefix('"')?.chars();
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_are_read_back() {
        for text in ["", "plain", "with \"quotes\" and \\ backslashes"] {
            assert_eq!(unquote(&quote(text)).as_deref(), Some(text));
        }
        assert_eq!(unquote("\"never ends"), None);
    }

    #[test]
    fn a_reply_is_told_from_events() {
        let text: &[u8] = b"650 BW 1 2\r\n250-a=1\r\n250+b=\r\nline\r\n..dot\r\n.\r\n250 OK\r\n";
        let mut link = Link {
            reader: BufReader::new(Box::new(text)),
            writer: Box::new(io::sink()),
            events: VecDeque::new(),
            socket: None,
        };
        let reply = link.ask("GETINFO a b").unwrap();
        assert_eq!(reply.len(), 3);
        assert_eq!(reply[1].data.as_deref(), Some("line\n.dot\n"));
        assert_eq!(link.event().unwrap().as_deref(), Some("650 BW 1 2\r\n"));
        assert_eq!(link.event().unwrap(), None);
    }

    #[test]
    fn a_refusal_is_an_error_in_the_client_s_words() {
        let text: &[u8] = b"552 Unrecognized key \"x\"\r\n";
        let mut link = Link {
            reader: BufReader::new(Box::new(text)),
            writer: Box::new(io::sink()),
            events: VecDeque::new(),
            socket: None,
        };
        assert_eq!(link.info("x").unwrap_err().to_string(), "552 Unrecognized key \"x\"");
    }
}
