//! The commands of relay messages. <https://spec.torproject.org/tor-spec/relay-cells.html>

use crate::code_point::code_points;

code_points! {
    /// A relay message's command. Open: in format v0 an unknown one survives, and closes the circuit where it
    /// arrives.
    pub struct RelayCmd(u8);
    /// Opens a stream.
    BEGIN = 1,
    /// Bytes of a stream.
    DATA = 2,
    /// Closes a stream.
    END = 3,
    /// Answers BEGIN and BEGIN_DIR.
    CONNECTED = 4,
    /// Grants more of the window.
    SENDME = 5,
    /// Obsolete (TAP).
    EXTEND = 6,
    /// Obsolete (TAP).
    EXTENDED = 7,
    /// Asks to forget all hops behind the receiver.
    TRUNCATE = 8,
    /// The hops behind the sender are gone.
    TRUNCATED = 9,
    /// Long-range padding.
    DROP = 10,
    /// Asks for a name to be resolved.
    RESOLVE = 11,
    /// Answers RESOLVE.
    RESOLVED = 12,
    /// Opens a stream to the relay's own directory.
    BEGIN_DIR = 13,
    /// Asks for one more hop.
    EXTEND2 = 14,
    /// Answers EXTEND2.
    EXTENDED2 = 15,
    /// Makes a circuit a leg of a conflux set.
    CONFLUX_LINK = 19,
    /// Answers CONFLUX_LINK.
    CONFLUX_LINKED = 20,
    /// Answers CONFLUX_LINKED.
    CONFLUX_LINKED_ACK = 21,
    /// The sender goes on on this leg.
    CONFLUX_SWITCH = 22,
    /// Makes a relay an introduction point of an onion service.
    ESTABLISH_INTRO = 32,
    /// Makes a relay a client's rendezvous point.
    ESTABLISH_RENDEZVOUS = 33,
    /// A client's request, to the introduction point.
    INTRODUCE1 = 34,
    /// A client's request, from the introduction point to the service.
    INTRODUCE2 = 35,
    /// A service's answer, to the rendezvous point.
    RENDEZVOUS1 = 36,
    /// A service's answer, from the rendezvous point to the client.
    RENDEZVOUS2 = 37,
    /// Answers ESTABLISH_INTRO.
    INTRO_ESTABLISHED = 38,
    /// Answers ESTABLISH_RENDEZVOUS.
    RENDEZVOUS_ESTABLISHED = 39,
    /// Answers INTRODUCE1.
    INTRODUCE_ACK = 40,
    /// Starts or stops a padding machine.
    PADDING_NEGOTIATE = 41,
    /// Answers PADDING_NEGOTIATE.
    PADDING_NEGOTIATED = 42,
    /// Asks to pause a stream.
    XOFF = 43,
    /// Lets a stream go on.
    XON = 44,
}

impl RelayCmd {
    /// True if a message of this command belongs to a stream, and so must name one. A SENDME may name one;
    /// no other known command does.
    pub const fn is_of_stream(self) -> bool {
        matches!(self.0, 1..=4 | 11 | 12 | 13 | 43 | 44)
    }

    /// True for the commands named here.
    pub const fn is_known(self) -> bool {
        self.name().is_some()
    }

    /// True if conflux puts messages of this command in one order over all legs; every other command belongs
    /// to the leg that it came by.
    pub const fn is_multiplexed(self) -> bool {
        self.is_of_stream() && self.0 != Self::BEGIN_DIR.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflux_orders_what_c_tor_orders() {
        let ordered = (0..=255).map(RelayCmd).filter(|command| command.is_multiplexed());
        let names: Vec<_> = ordered.map(|command| command.to_string()).collect();
        assert_eq!(names.join(" "), "BEGIN DATA END CONNECTED RESOLVE RESOLVED XOFF XON");
        assert_eq!(RelayCmd(200).to_string(), "200");
        assert_eq!(format!("{:?} {:?}", RelayCmd::XON, RelayCmd(200)), "RelayCmd(XON) RelayCmd(200)");
    }
}
