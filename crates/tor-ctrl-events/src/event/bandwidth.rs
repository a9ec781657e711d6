//! BW, STREAM_BW, CIRC_BW and CONN_BW: bytes since the event before.

use std::time::SystemTime;

use serde::Serialize;

use super::Form;
use crate::{
    CircuitId, ConnId, ParseError, StreamId, json,
    text::{Pair, Raw, parse_time, put, put_number, put_pair, put_time_usec, put_u64},
    words::words,
};

/// What the client moved in the last second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Bw {
    /// Bytes read from the network.
    pub read: u64,
    /// Bytes written to the network.
    pub written: u64,
}

impl Form for Bw {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 BW ");
        put_u64(out, self.read);
        out.push(b' ');
        put_u64(out, self.written);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        Ok(Self { read: args.number("bytes read")?, written: args.number("bytes written")? })
    }
}

/// What a stream moved since the last such event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct StreamBw {
    /// Which.
    pub id: StreamId,
    /// Bytes that the application wrote: towards the network.
    pub written: u64,
    /// Bytes that the application read: from the network.
    pub read: u64,
    /// When, to the microsecond.
    #[serde(serialize_with = "json::time")]
    pub time: Option<SystemTime>,
}

impl Form for StreamBw {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 STREAM_BW ");
        for number in [self.id.0, self.written] {
            put_u64(out, number);
            out.push(b' ');
        }
        put_u64(out, self.read);
        if let Some(time) = self.time {
            out.push(b' ');
            put_time_usec(out, time);
        }
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut args = raw.args();
        let id = StreamId(args.number("stream")?);
        let (written, read) = (args.number("bytes written")?, args.number("bytes read")?);
        let time = args.positional().map(|text| parse_time(text).ok_or(ParseError::Bad { what: "time" }));
        Ok(Self { id, written, read, time: time.transpose()? })
    }
}

/// The congestion control of a circuit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Congestion {
    /// `SS`: in slow start.
    pub slow_start: bool,
    /// `CWND`: the congestion window, in cells.
    pub cwnd: u64,
    /// `RTT`: the round trip now, in milliseconds.
    pub rtt: u64,
    /// `MIN_RTT`: the shortest round trip, in milliseconds.
    pub min_rtt: u64,
}

/// What a circuit moved since the last such event: whole cells in `read` and `written`, parted into what streams got and
/// sent (`delivered`) and the rest of those cells (`overhead`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CircBw {
    /// Which.
    pub id: CircuitId,
    /// `READ`: bytes of cells from the network.
    pub read: u64,
    /// `WRITTEN`: bytes of cells to the network.
    pub written: u64,
    /// `TIME`, to the microsecond.
    #[serde(serialize_with = "json::time")]
    pub time: Option<SystemTime>,
    /// `DELIVERED_READ`: payload of valid relay messages that came.
    pub delivered_read: u64,
    /// `OVERHEAD_READ`: what those cells left empty.
    pub overhead_read: u64,
    /// `DELIVERED_WRITTEN`: payload of relay messages that went.
    pub delivered_written: u64,
    /// `OVERHEAD_WRITTEN`: what those cells left empty.
    pub overhead_written: u64,
    /// `SS`, `CWND`, `RTT` and `MIN_RTT`, if the circuit has congestion control.
    pub congestion: Option<Congestion>,
}

impl CircBw {
    fn congestion(&mut self) -> &mut Congestion {
        self.congestion.get_or_insert_default()
    }

    fn set(&mut self, pair: &Pair<'_>) -> Result<(), ParseError> {
        match pair.key {
            "READ" => self.read = pair.number("READ")?,
            "WRITTEN" => self.written = pair.number("WRITTEN")?,
            "TIME" => self.time = Some(pair.time("TIME")?),
            "DELIVERED_READ" => self.delivered_read = pair.number("DELIVERED_READ")?,
            "OVERHEAD_READ" => self.overhead_read = pair.number("OVERHEAD_READ")?,
            "DELIVERED_WRITTEN" => self.delivered_written = pair.number("DELIVERED_WRITTEN")?,
            "OVERHEAD_WRITTEN" => self.overhead_written = pair.number("OVERHEAD_WRITTEN")?,
            "SS" => self.congestion().slow_start = pair.number::<u64>("SS")? != 0,
            "CWND" => self.congestion().cwnd = pair.number("CWND")?,
            "RTT" => self.congestion().rtt = pair.number("RTT")?,
            "MIN_RTT" => self.congestion().min_rtt = pair.number("MIN_RTT")?,
            _ => {}
        }
        Ok(())
    }
}

impl Form for CircBw {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 CIRC_BW");
        put_number(out, " ID=", self.id.0);
        put_number(out, " READ=", self.read);
        put_number(out, " WRITTEN=", self.written);
        put_pair(out, " TIME=", self.time, put_time_usec);
        put_number(out, " DELIVERED_READ=", self.delivered_read);
        put_number(out, " OVERHEAD_READ=", self.overhead_read);
        put_number(out, " DELIVERED_WRITTEN=", self.delivered_written);
        put_number(out, " OVERHEAD_WRITTEN=", self.overhead_written);
        if let Some(congestion) = self.congestion {
            put_number(out, " SS=", congestion.slow_start.into());
            put_number(out, " CWND=", congestion.cwnd);
            put_number(out, " RTT=", congestion.rtt);
            put_number(out, " MIN_RTT=", congestion.min_rtt);
        }
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let id =
            raw.args().pairs().find(|pair| pair.key == "ID").ok_or(ParseError::Missing { what: "ID" })?;
        let mut bw = Self {
            id: CircuitId(id.number("ID")?),
            read: 0,
            written: 0,
            time: None,
            delivered_read: 0,
            overhead_read: 0,
            delivered_written: 0,
            overhead_written: 0,
            congestion: None,
        };
        raw.args().pairs().try_for_each(|pair| bw.set(&pair))?;
        Ok(bw)
    }
}

words! {
    /// What speaks on a connection.
    open ConnType {
        /// Relays.
        Or = "OR",
        /// The directory protocol.
        Dir = "DIR",
        /// An exit's.
        Exit = "EXIT",
    }
}

/// What a connection moved since the last such event. Only if `TestingEnableConnBwEvent` is set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ConnBw {
    /// `ID`.
    pub id: ConnId,
    /// `TYPE`.
    pub conn_type: ConnType,
    /// `READ`: bytes.
    pub read: u64,
    /// `WRITTEN`: bytes.
    pub written: u64,
}

impl Form for ConnBw {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 CONN_BW");
        put_number(out, " ID=", self.id.0);
        put_pair(out, " TYPE=", Some(&self.conn_type), ConnType::put);
        put_number(out, " READ=", self.read);
        put_number(out, " WRITTEN=", self.written);
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let (mut id, mut conn_type, mut read, mut written) = (None, None, 0, 0);
        for pair in raw.args().pairs() {
            match pair.key {
                "ID" => id = Some(ConnId(pair.number("ID")?)),
                "TYPE" => conn_type = Some(ConnType::from_word(pair.value)),
                "READ" => read = pair.number("READ")?,
                "WRITTEN" => written = pair.number("WRITTEN")?,
                _ => {}
            }
        }
        let id = id.ok_or(ParseError::Missing { what: "ID" })?;
        let conn_type = conn_type.ok_or(ParseError::Missing { what: "TYPE" })?;
        Ok(Self { id, conn_type, read, written })
    }
}
