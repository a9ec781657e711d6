//! Those who speak another protocol to a control port: web browsers, and controllers of before 2007.

/// What they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// HTTP: somebody took the control port for a proxy, or a web page tries to reach it.
    Http,
    /// The binary control protocol, version 0.
    Version0,
}

impl Foreign {
    /// What the first bytes of a command say, as far as they have come.
    pub(crate) fn recognise(start: &[u8]) -> Option<Self> {
        const METHODS: [&[u8]; 5] = [b"CONNECT ", b"DELETE ", b"GET ", b"POST ", b"PUT "];
        // Its messages begin with a length and a type below 0x15, both of two bytes. No command of ours does, unless
        // its line is over before that.
        if let [first, second, 0, 0..=0x14, ..] = start
            && ![first, second].contains(&&b'\n')
        {
            return Some(Self::Version0);
        }
        METHODS.iter().any(|method| start.starts_with(method)).then_some(Self::Http)
    }

    /// What they are told, in their own protocol.
    pub(crate) fn reply(self) -> Vec<u8> {
        match self {
            Self::Http => HTTP.into(),
            Self::Version0 => {
                const TEXT: &[u8] =
                    b"This is version 1 of the control protocol; version 0 is no longer spoken.\0";
                // Length of what follows the type, type 0 (error), code 1.
                let length = u16::try_from(TEXT.len() + 2).unwrap_or_default().to_be_bytes();
                [&length[..], &[0, 0, 0, 1], TEXT].concat()
            }
        }
    }
}

const HTTP: &str = "HTTP/1.0 501 Tor ControlPort is not an HTTP proxy\r\n\
    Content-Type: text/html; charset=iso-8859-1\r\n\
    \r\n\
    <html>\n\
    <head><title>This is Tor's ControlPort, not an HTTP proxy</title></head>\n\
    <body>\n\
    <h1>This is Tor's ControlPort, not an HTTP proxy</h1>\n\
    <p>Your browser seems to be set up to use the port by which Tor is controlled as an HTTP proxy. Tor is a SOCKS\n\
    proxy, and its usual port is 9050: please set that up instead.</p>\n\
    </body>\n\
    </html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognised() {
        for (start, foreign) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some(Foreign::Http)),
            (b"CONNECT x:1", Some(Foreign::Http)),
            (b"GETINFO version", None),
            (b"get / HTTP/1.1", None),
            (b"\0\x02\0\x14xx", Some(Foreign::Version0)),
            (b"\0\x02\0\x15", None),
            (b"A\n\0\0", None),
            (b"\0\x02\0", None),
            (b"", None),
        ] {
            assert_eq!(Foreign::recognise(start), foreign, "{start:?}");
        }
        assert_eq!(Foreign::Version0.reply().len(), 4 + usize::from(Foreign::Version0.reply()[1]));
    }
}
