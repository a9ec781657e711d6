//! HSFETCH, HSPOST, ADD_ONION, DEL_ONION, ONION_CLIENT_AUTH_*.

use std::{fmt, net::IpAddr};

use super::{
    Command, Parsed,
    args::{Args, Pair, Pairs, Syntax, text},
    onion_key::{OnionKey, SecretKey},
};
use crate::{
    OnionAddress, Reply, escape,
    number::parse_unsigned,
    onion_address::decode_base32,
    quote::{is_space, unescape},
};

/// What ADD_ONION asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct AddOnion {
    /// The key.
    pub key: OnionKey,
    /// At least one.
    pub ports: Vec<OnionPort>,
    /// Streams on one circuit; 0: any number.
    pub max_streams: u16,
    /// `Flags=MaxStreamsCloseCircuit`: the circuit that exceeds it is closed.
    pub max_streams_close_circuit: bool,
    /// `Flags=DiscardPK`: a new private key isn't told.
    pub discard_key: bool,
    /// `Flags=Detach`: the service outlives the connection.
    pub detach: bool,
    /// Whether clients must do work when the service is busy.
    pub pow: bool,
    /// Requests a second from the queue of those who did.
    pub pow_queue_rate: u32,
    /// Burst of the same.
    pub pow_queue_burst: u32,
    /// The x25519 keys of clients that may connect, with their text; none: everybody may.
    pub clients: Vec<([u8; 32], String)>,
}

/// A port of an onion service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnionPort {
    /// The port that clients ask for.
    pub virtual_port: u16,
    /// Where it leads.
    pub target: OnionTarget,
}

/// Where a port of an onion service leads.
#[derive(Clone, PartialEq, Eq)]
pub enum OnionTarget {
    /// An address.
    Address(IpAddr, u16),
    /// A host that must be looked up now, outside Tor, as C Tor does.
    Host(String, u16),
    /// A Unix socket.
    Unix(String),
}

/// What ONION_CLIENT_AUTH_ADD brings.
#[derive(Debug)]
pub struct ClientAuth {
    /// The service.
    pub address: OnionAddress,
    /// The client's x25519 private key.
    pub key: SecretKey<32>,
    /// `Flags=Permanent`: kept on disk.
    pub permanent: bool,
    /// `ClientName=`, at most 16 bytes.
    pub client_name: Option<String>,
}

/// Where a service runs is its owner's business.
impl fmt::Debug for OnionTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address(..) => "Address(..)",
            Self::Host(..) => "Host(..)",
            Self::Unix(..) => "Unix(..)",
        })
    }
}

pub(super) fn fetch(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(1, 1).pairs(Pairs::Plain).keys(&["SERVER"]), body)?;
    let address = address(args.word(0), 513, "Invalid argument")?;
    let servers = args.pairs.iter().map(|pair| text(&pair.value)).collect();
    Ok(Parsed::Command(Command::HsFetch { address, servers }))
}

pub(super) fn post(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let syntax = Syntax::words(0, 0).pairs(Pairs::Plain).keys(&["SERVER", "HSADDRESS"]).data();
    let args = Args::parse(name, &syntax, body)?;
    // Without an address C Tor says nothing at all, and the connection is out of step ever after.
    let mut address = Err(Reply::line(512, "Missing 'HSADDRESS' argument"));
    let mut servers = Vec::new();
    for pair in &args.pairs {
        if pair.is("SERVER") {
            servers.push(text(&pair.value));
            continue;
        }
        let parsed = std::str::from_utf8(&pair.value).ok().and_then(OnionAddress::parse);
        address = parsed.ok_or_else(|| Reply::line(512, "Malformed onion address"));
        if address.is_err() {
            break;
        }
    }
    if servers.is_empty() {
        address = Ok(address?);
    }
    Ok(Parsed::Command(Command::HsPost { address, servers, descriptor: text(&args.data) }))
}

pub(super) fn add(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    const KEYS: &[&str] = &[
        "Port",
        "Flags",
        "MaxStreams",
        "PoWDefensesEnabled",
        "PoWQueueRate",
        "PoWQueueBurst",
        "ClientAuth",
        "ClientAuthV3",
    ];
    let args = Args::parse(name, &Syntax::words(1, 1).pairs(Pairs::Plain).keys(KEYS), body)?;
    let mut service = AddOnion {
        key: OnionKey::New,
        ports: Vec::new(),
        max_streams: 0,
        max_streams_close_circuit: false,
        discard_key: false,
        detach: false,
        pow: false,
        pow_queue_rate: 250,
        pow_queue_burst: 2500,
        clients: Vec::new(),
    };
    let (mut authorised, mut non_anonymous) = (false, false);
    for pair in &args.pairs {
        let number = |max, what| {
            parse_unsigned(&pair.value, max).ok_or_else(|| Reply::line(512, format!("Invalid {what}")))
        };
        if pair.is("Port") {
            let port = OnionPort::parse(&pair.value);
            service.ports.push(port.ok_or_else(|| Reply::line(512, "Invalid VIRTPORT/TARGET"))?);
        } else if pair.is("MaxStreams") {
            service.max_streams = u16::try_from(number(65535, "MaxStreams")?).unwrap_or(u16::MAX);
        } else if pair.is("PoWDefensesEnabled") {
            service.pow = number(1, "PoWDefensesEnabled")? == 1;
        } else if pair.is("PoWQueueRate") {
            service.pow_queue_rate =
                u32::try_from(number(u32::MAX.into(), "PoWQueueRate")?).unwrap_or(u32::MAX);
        } else if pair.is("PoWQueueBurst") {
            service.pow_queue_burst =
                u32::try_from(number(u32::MAX.into(), "PoWQueueBurst")?).unwrap_or(u32::MAX);
        } else if pair.is("Flags") {
            for flag in flags(pair)? {
                match flag.to_ascii_lowercase().as_slice() {
                    b"discardpk" => service.discard_key = true,
                    b"detach" => service.detach = true,
                    b"maxstreamsclosecircuit" => service.max_streams_close_circuit = true,
                    b"v3auth" => authorised = true,
                    b"nonanonymous" => non_anonymous = true,
                    _ => return Err(bad_flag(flag)),
                }
            }
        } else if pair.is("ClientAuthV3") {
            let key = if pair.value.len() == 52 { decode_base32(&pair.value) } else { None };
            let key = key.and_then(|key| key.try_into().ok());
            let key = key.ok_or_else(|| Reply::line(512, "Cannot decode v3 client auth key"))?;
            service.clients.push((key, text(&pair.value)));
        } else {
            // ClientAuth was for version 2. C Tor lets the keyword pass, then stops without an answer.
            return Err(Reply::line(512, "ClientAuth is obsolete: use ClientAuthV3"));
        }
    }
    if service.ports.is_empty() {
        return Err(Reply::line(512, "Missing 'Port' argument"));
    } else if !authorised && !service.clients.is_empty() {
        return Err(Reply::line(512, "No auth type specified"));
    } else if authorised && service.clients.is_empty() {
        return Err(Reply::line(512, "No auth clients specified"));
    } else if non_anonymous {
        // There are no single onion services here.
        return Err(Reply::line(512, "Tor is in anonymous hidden service mode"));
    }
    service.key = OnionKey::parse(args.word(0))?;
    Ok(Parsed::Command(Command::AddOnion(Box::new(service))))
}

pub(super) fn delete(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(1, 1), body)?;
    match std::str::from_utf8(args.word(0)).ok().and_then(OnionAddress::parse) {
        Some(address) => Ok(Parsed::Command(Command::DelOnion(address))),
        None => Err(Reply::line(512, "Malformed Onion Service id")),
    }
}

pub(super) fn auth_add(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 2).pairs(Pairs::Plain), body)?;
    if args.words.len() < 2 {
        return Err(Reply::line(512, "Incomplete ONION_CLIENT_AUTH_ADD command"));
    }
    let address = address(args.word(0), 512, "Invalid v3 address")?;
    let key = SecretKey::parse_x25519(args.word(1))?;
    let (mut permanent, mut client_name) = (false, None);
    for pair in &args.pairs {
        // Here alone the beginning of the name is enough.
        if pair.key.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"Flags")) {
            for flag in flags(pair)? {
                if !flag.eq_ignore_ascii_case(b"Permanent") {
                    return Err(bad_flag(flag));
                }
                permanent = true;
            }
        } else if pair.is("ClientName") {
            if pair.value.len() > 16 {
                // C Tor says so, stores it all the same, and sends a second reply.
                return Err(Reply::line(512, "ClientName longer than 16 chars"));
            }
            client_name = Some(text(&pair.value));
        }
    }
    Ok(Parsed::Command(Command::OnionClientAuthAdd(Box::new(ClientAuth {
        address,
        key,
        permanent,
        client_name,
    }))))
}

pub(super) fn auth_remove(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 1).pairs(Pairs::Plain), body)?;
    if args.words.is_empty() {
        return Err(Reply::line(512, "Incomplete ONION_CLIENT_AUTH_REMOVE command"));
    }
    let address = address(args.word(0), 512, "Invalid v3 address")?;
    Ok(Parsed::Command(Command::OnionClientAuthRemove(address)))
}

pub(super) fn auth_view(name: &[u8], body: &[u8]) -> Result<Parsed, Reply> {
    let args = Args::parse(name, &Syntax::words(0, 1).pairs(Pairs::Plain), body)?;
    let address = args.words.first().map(|word| address(word, 512, "Invalid v3 address")).transpose()?;
    Ok(Parsed::Command(Command::OnionClientAuthView(address)))
}

/// # Errors
///
/// The refusal, with the command's own words.
fn address(word: &[u8], code: u16, refusal: &str) -> Result<OnionAddress, Reply> {
    let address = std::str::from_utf8(word).ok().and_then(OnionAddress::parse);
    address.ok_or_else(|| Reply::line(code, [refusal.as_bytes(), b" \"", word, b"\""].concat()))
}

/// # Errors
///
/// The refusal if there is none.
fn flags(pair: &Pair) -> Result<Vec<&[u8]>, Reply> {
    let flags: Vec<_> = pair.value.split(|byte| *byte == b',').filter(|flag| !flag.is_empty()).collect();
    if flags.is_empty() { Err(Reply::line(512, "Invalid 'Flags' argument")) } else { Ok(flags) }
}

fn bad_flag(flag: &[u8]) -> Reply {
    Reply::line(512, format!("Invalid 'Flags' argument: {}", escape(flag)))
}

impl OnionPort {
    /// `VIRTPORT`, or `VIRTPORT,TARGET`.
    fn parse(value: &[u8]) -> Option<Self> {
        let value = value.get(value.iter().position(|byte| !is_space(*byte) && *byte != b',')?..)?;
        let comma = value.iter().position(|byte| *byte == b',');
        let (port, target) = value.split_at_checked(comma.unwrap_or(value.len()))?;
        let virtual_port = parse_port(port)?;
        let target = match target.split_first() {
            Some((_, target)) if !target.is_empty() => OnionTarget::parse(target, virtual_port)?,
            _ => OnionTarget::local(virtual_port),
        };
        Some(Self { virtual_port, target })
    }
}

impl OnionTarget {
    fn local(port: u16) -> Self {
        Self::Address(std::net::Ipv4Addr::LOCALHOST.into(), port)
    }

    /// `PORT`, `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH`, `unix:"PATH"`.
    fn parse(text: &[u8], virtual_port: u16) -> Option<Self> {
        if let Some(path) = text.strip_prefix(b"unix:") {
            let path = if path.starts_with(b"\"") {
                let (path, rest) = unescape(path)?;
                (rest.is_empty() && !path.contains(&0)).then_some(path)?
            } else {
                path.to_vec()
            };
            return String::from_utf8(path).ok().map(Self::Unix);
        }
        let text = std::str::from_utf8(text).ok()?;
        if !text.contains([':', '.']) {
            return parse_port(text.as_bytes()).map(Self::local);
        }
        if let Some(address) = parse_ip(text) {
            return Some(Self::Address(address, virtual_port));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, parse_port(port.as_bytes())?),
            None => (text, virtual_port),
        };
        match parse_ip(host) {
            Some(address) => Some(Self::Address(address, port)),
            None if !host.contains(char::is_alphanumeric) || host.contains(['[', ']', ':']) => None,
            None => Some(Self::Host(host.to_owned(), port)),
        }
    }
}

/// An IPv4 address, an IPv6 address, or one in brackets.
fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inside) => inside.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

fn parse_port(text: &[u8]) -> Option<u16> {
    parse_unsigned(text, 65535).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}
