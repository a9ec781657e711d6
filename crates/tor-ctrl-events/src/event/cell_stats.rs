//! CELL_STATS: cells of a circuit in the last second. Only if `TestingEnableCellStatsEvent` is set.

use serde::Serialize;

use super::Form;
use crate::{
    CircuitId, ParseError,
    text::{Pair, Raw, put, put_list, put_number, put_pair, put_u64, put_word},
};

/// Numbers by the type of cell: `relay:4,create_fast:1`, in the order of the commands' codes.
pub type ByCellType = Vec<(String, u64)>;

/// One direction of a circuit's queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct CellQueue {
    /// `…Queue`: the circuit's id on the connection.
    pub queue: u64,
    /// `…Conn`: the connection, or rather channel.
    pub conn: u64,
    /// `…Added`: cells that came into the queue. Left out of the text if empty, as the others.
    pub added: ByCellType,
    /// `…Removed`: cells that left it.
    pub removed: ByCellType,
    /// `…Time`: milliseconds that those which left had waited, together.
    pub time: ByCellType,
}

/// What passed a circuit's queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct CellStats {
    /// `ID`, if the circuit begins here.
    pub id: Option<CircuitId>,
    /// Towards the client; only relays have it.
    pub inbound: Option<CellQueue>,
    /// Away from the client.
    pub outbound: Option<CellQueue>,
}

impl CellQueue {
    fn put(&self, out: &mut Vec<u8>, keys: &Keys) {
        put_number(out, keys.queue, self.queue);
        put_number(out, keys.conn, self.conn);
        for (key, counts) in
            [(keys.added, &self.added), (keys.removed, &self.removed), (keys.time, &self.time)]
        {
            let counts = Some(counts).filter(|counts| !counts.is_empty());
            put_pair(out, key, counts, |out, counts| put_counts(out, counts));
        }
    }
}

struct Keys {
    queue: &'static str,
    conn: &'static str,
    added: &'static str,
    removed: &'static str,
    time: &'static str,
}

const INBOUND: Keys = Keys {
    queue: " InboundQueue=",
    conn: " InboundConn=",
    added: " InboundAdded=",
    removed: " InboundRemoved=",
    time: " InboundTime=",
};

const OUTBOUND: Keys = Keys {
    queue: " OutboundQueue=",
    conn: " OutboundConn=",
    added: " OutboundAdded=",
    removed: " OutboundRemoved=",
    time: " OutboundTime=",
};

pub(super) fn put_counts(out: &mut Vec<u8>, counts: &[(String, u64)]) {
    put_list(out, counts, |out, (name, count)| put_count(out, name, b':', *count));
}

pub(super) fn put_count(out: &mut Vec<u8>, name: &str, divider: u8, count: u64) {
    put_word(out, name);
    out.push(divider);
    put_u64(out, count);
}

/// `name:number` with commas between them.
pub(super) fn parse_counts(
    pair: &Pair<'_>,
    divider: char,
    what: &'static str,
) -> Result<ByCellType, ParseError> {
    let one = |text: &str| {
        let (name, count) = text.rsplit_once(divider)?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    pair.list().map(one).collect::<Option<_>>().ok_or(ParseError::Bad { what })
}

impl Form for CellStats {
    fn put(&self, out: &mut Vec<u8>) {
        put(out, "650 CELL_STATS");
        put_pair(out, " ID=", self.id.map(|id| id.0), put_u64);
        if let Some(queue) = &self.inbound {
            queue.put(out, &INBOUND);
        }
        if let Some(queue) = &self.outbound {
            queue.put(out, &OUTBOUND);
        }
        put(out, "\r\n");
    }

    fn parse(raw: &Raw<'_>) -> Result<Self, ParseError> {
        let mut stats = Self::default();
        for pair in raw.args().pairs() {
            if pair.key == "ID" {
                stats.id = Some(CircuitId(pair.number("ID")?));
            }
            let (queue, field) = if let Some(field) = pair.key.strip_prefix("Inbound") {
                (&mut stats.inbound, field)
            } else if let Some(field) = pair.key.strip_prefix("Outbound") {
                (&mut stats.outbound, field)
            } else {
                continue;
            };
            let queue = queue.get_or_insert_default();
            match field {
                "Queue" => queue.queue = pair.number("queue")?,
                "Conn" => queue.conn = pair.number("connection")?,
                "Added" => queue.added = parse_counts(&pair, ':', "cells added")?,
                "Removed" => queue.removed = parse_counts(&pair, ':', "cells removed")?,
                "Time" => queue.time = parse_counts(&pair, ':', "waiting times")?,
                _ => {}
            }
        }
        Ok(stats)
    }
}
