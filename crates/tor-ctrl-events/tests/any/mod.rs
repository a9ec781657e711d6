//! Any event at all, of every type.
#![allow(dead_code, reason = "not every test wants everything")]

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proptest::{collection::vec, option, prelude::*, sample::select};
use tor_ctrl_events::*;
use tor_id::RsaId;

/// Text for a word: a plain one, or one made by an enemy.
#[derive(Clone, Copy)]
pub(crate) enum Words {
    /// Letters, digits and what stands in addresses: such words survive.
    Plain,
    /// Anything.
    Hostile,
}

impl Words {
    fn word(self) -> BoxedStrategy<String> {
        match self {
            Self::Plain => "[A-Za-z0-9.\\-_/+]{1,24}".boxed(),
            Self::Hostile => hostile(),
        }
    }

    /// Words that are no keyword.
    fn other(self) -> BoxedStrategy<String> {
        match self {
            Self::Plain => "X_[A-Z]{1,9}".boxed(),
            Self::Hostile => hostile(),
        }
    }

    /// Text in one line.
    fn line(self) -> BoxedStrategy<String> {
        match self {
            Self::Plain => "[ -~é]{0,60}".boxed(),
            Self::Hostile => hostile(),
        }
    }

    /// Lines that each end with `\n`.
    fn lines(self) -> BoxedStrategy<String> {
        match self {
            Self::Plain => vec("[ -~é]{0,30}", 0..6)
                .prop_map(|lines| lines.iter().map(|line| format!("{line}\n")).collect::<String>())
                .prop_map(|text| if text == "\n" { String::new() } else { text })
                .boxed(),
            Self::Hostile => hostile(),
        }
    }
}

fn hostile() -> BoxedStrategy<String> {
    prop_oneof![
        any::<String>(),
        vec(
            select(vec![
                "\r\n", "\n", "\r", "650 ", "650 OK", ".", " ", "\"", "\\", "=", ",", "a", "\0", "$"
            ]),
            0..9
        )
        .prop_map(|parts| parts.concat()),
    ]
    .boxed()
}

fn time() -> impl Strategy<Value = SystemTime> {
    (0..253_402_300_800_000_000_u64).prop_map(|micros| UNIX_EPOCH + Duration::from_micros(micros))
}

fn whole_time() -> impl Strategy<Value = SystemTime> {
    (200_000..253_402_000_000_u64).prop_map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
}

fn long_name(words: Words) -> impl Strategy<Value = LongName> {
    let nickname = match words {
        Words::Plain => "[A-Za-z0-9]{0,19}".boxed(),
        Words::Hostile => hostile(),
    };
    (any::<[u8; 20]>(), option::of(nickname))
        .prop_map(|(id, name)| LongName::new(RsaId::from_bytes(id), name))
}

fn endpoint(words: Words) -> impl Strategy<Value = Endpoint> {
    let host = match words {
        Words::Plain => prop_oneof!["[a-z0-9.\\-]{1,30}", Just("[2001:db8::1]".to_owned())].boxed(),
        Words::Hostile => hostile(),
    };
    (host, any::<u16>()).prop_map(|(host, port)| Endpoint::new(host, port))
}

fn credential() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(vec(1_u8.., 1..20))
}

macro_rules! open {
    ($type:ty, $words:expr) => {
        prop_oneof![select(<$type>::ALL), $words.other().prop_map(<$type>::Other)]
    };
}

fn circ_info(words: Words) -> impl Strategy<Value = CircInfo> {
    (
        (vec(long_name(words), 0..5), any::<[bool; 4]>(), open!(CircPurpose, words)),
        (option::of(open!(HsState, words)), option::of(words.word()), option::of(time())),
        (credential(), credential(), option::of(1_u32..)),
        (option::of(any::<[u8; 16]>()), option::of(1_u64..)),
    )
        .prop_map(|((path, flags, purpose), hs, credentials, conflux)| {
            let [onehop_tunnel, is_internal, need_capacity, need_uptime] = flags;
            let build_flags = BuildFlags { onehop_tunnel, is_internal, need_capacity, need_uptime };
            let (hs_state, rend_query, time_created) = hs;
            let (socks_username, socks_password, hs_pow) = credentials;
            let (conflux_id, conflux_rtt) = conflux;
            CircInfo {
                path,
                build_flags,
                purpose,
                hs_state,
                rend_query,
                time_created,
                socks_username,
                socks_password,
                hs_pow,
                conflux_id,
                conflux_rtt,
            }
        })
}

fn circ(words: Words) -> impl Strategy<Value = Event> {
    let reason = || option::of(open!(CircReason, words));
    (any::<u64>(), select(CircStatus::ALL), circ_info(words), reason(), reason()).prop_map(
        |(id, status, info, reason, remote_reason)| {
            Circ { id: CircuitId(id), status, info, reason, remote_reason }.into()
        },
    )
}

fn circ_minor(words: Words) -> impl Strategy<Value = Event> {
    let old = (option::of(open!(CircPurpose, words)), option::of(open!(HsState, words)), option::of(time()));
    (any::<u64>(), select(CircMinorChange::ALL), circ_info(words), old).prop_map(|(id, change, info, old)| {
        let (old_purpose, old_hs_state, old_time_created) = old;
        CircMinor { id: CircuitId(id), change, info, old_purpose, old_hs_state, old_time_created }.into()
    })
}

fn stream_client(words: Words) -> impl Strategy<Value = StreamClient> {
    (credential(), credential(), open!(ClientProtocol, words), any::<u64>(), any::<i64>(), any::<[bool; 7]>())
        .prop_map(|(socks_username, socks_password, protocol, nym_epoch, session_group, iso)| {
            let [dest_port, dest_addr, socks_auth, client_protocol, client_addr, session, nym] = iso;
            StreamClient {
                socks_username,
                socks_password,
                protocol,
                nym_epoch,
                session_group,
                iso_fields: IsoFields {
                    dest_port,
                    dest_addr,
                    socks_auth,
                    client_protocol,
                    client_addr,
                    session_group: session,
                    nym_epoch: nym,
                },
            }
        })
}

fn stream(words: Words) -> impl Strategy<Value = Event> {
    let reason = || option::of(open!(StreamReason, words));
    (
        (any::<u64>(), select(StreamStatus::ALL), option::of(1_u64..), endpoint(words)),
        (reason(), reason(), option::of(open!(RemapSource, words)), option::of(endpoint(words))),
        (option::of(open!(StreamPurpose, words)), option::of(stream_client(words))),
    )
        .prop_map(|((id, status, circuit, target), reasons, (purpose, client))| {
            let (reason, remote_reason, source, source_addr) = reasons;
            let circuit = circuit.map(CircuitId);
            let head = Stream::new(StreamId(id), status, circuit, target);
            Stream { reason, remote_reason, source, source_addr, purpose, client, ..head }.into()
        })
}

fn or_conn(words: Words) -> impl Strategy<Value = Event> {
    let target =
        prop_oneof![long_name(words).prop_map(OrTarget::Relay), endpoint(words).prop_map(OrTarget::Address)];
    let reason = option::of(open!(OrConnReason, words));
    (target, select(OrConnStatus::ALL), reason, option::of(1_u32..), option::of(any::<u64>())).prop_map(
        |(target, status, reason, ncircs, id)| {
            OrConn { target, status, reason, ncircs, id: id.map(ConnId) }.into()
        },
    )
}

fn bandwidth(words: Words) -> impl Strategy<Value = Event> {
    let congestion = (any::<bool>(), any::<[u64; 3]>())
        .prop_map(|(slow_start, [cwnd, rtt, min_rtt])| Congestion { slow_start, cwnd, rtt, min_rtt });
    prop_oneof![
        any::<[u64; 2]>().prop_map(|[read, written]| Bw { read, written }.into()),
        (any::<[u64; 3]>(), option::of(time())).prop_map(|([id, written, read], time)| {
            StreamBw { id: StreamId(id), written, read, time }.into()
        }),
        (any::<[u64; 7]>(), option::of(time()), option::of(congestion)).prop_map(
            |(
                [id, read, written, delivered_read, overhead_read, delivered_written, overhead_written],
                time,
                congestion,
            )| {
                CircBw {
                    id: CircuitId(id),
                    read,
                    written,
                    time,
                    delivered_read,
                    overhead_read,
                    delivered_written,
                    overhead_written,
                    congestion,
                }
                .into()
            }
        ),
        (any::<[u64; 3]>(), open!(ConnType, words)).prop_map(|([id, read, written], conn_type)| {
            ConnBw { id: ConnId(id), conn_type, read, written }.into()
        }),
    ]
}

fn counts(words: Words) -> impl Strategy<Value = Vec<(String, u64)>> {
    let name = match words {
        Words::Plain => "[a-z0-9_]{1,12}".boxed(),
        Words::Hostile => hostile(),
    };
    vec((name, any::<u64>()), 0..4)
}

fn cell_stats(words: Words) -> impl Strategy<Value = Event> {
    let queue = move || {
        option::of((any::<[u64; 2]>(), counts(words), counts(words), counts(words)).prop_map(
            |([queue, conn], added, removed, time)| CellQueue { queue, conn, added, removed, time },
        ))
    };
    (option::of(any::<u64>()), queue(), queue())
        .prop_map(|(id, inbound, outbound)| CellStats { id: id.map(CircuitId), inbound, outbound }.into())
}

fn addr_map(words: Words) -> impl Strategy<Value = Event> {
    let expires = (whole_time(), -50_000..50_000).prop_map(|(at, utc_offset)| Expiry { at, utc_offset });
    (words.word(), option::of(words.word()), option::of(expires), any::<bool>(), option::of(any::<u64>()))
        .prop_map(|(from, to, expires, cached, stream)| {
            AddrMap { from, to, expires, cached, stream: stream.map(StreamId) }.into()
        })
}

fn argument(words: Words) -> impl Strategy<Value = Argument> {
    let key = match words {
        Words::Plain => "[A-Z][A-Z0-9_]{0,9}".boxed(),
        Words::Hostile => hostile(),
    };
    let value = prop_oneof![
        prop_oneof![words.word(), Just(String::new())].prop_map(|value| (value, false)),
        words.line().prop_map(|value| (value, true)),
    ];
    (key, value).prop_map(|(key, (value, quoted))| Argument { key, value, quoted })
}

fn status(words: Words) -> impl Strategy<Value = Event> {
    (select(StatusType::ALL), select(Severity::ALL), words.word(), vec(argument(words), 0..5)).prop_map(
        |(status_type, severity, action, arguments)| {
            Status { status_type, severity, action, arguments }.into()
        },
    )
}

fn build_timeout() -> impl Strategy<Value = Event> {
    // Six digits after the point survive.
    let share = || (0..2_000_000_000_u32).prop_map(|millionths| f64::from(millionths) / 1e6);
    (select(BuildTimeoutChange::ALL), any::<[u64; 4]>(), (share(), share(), share(), share())).prop_map(
        |(change, [total_times, timeout_ms, xm, close_ms], shares)| {
            let (alpha, cutoff_quantile, timeout_rate, close_rate) = shares;
            BuildTimeoutSet {
                change,
                total_times,
                timeout_ms,
                xm,
                alpha,
                cutoff_quantile,
                timeout_rate,
                close_ms,
                close_rate,
            }
            .into()
        },
    )
}

fn conf_changed(words: Words) -> impl Strategy<Value = Event> {
    let key = match words {
        Words::Plain => "[A-Za-z_]{1,20}".boxed(),
        Words::Hostile => hostile(),
    };
    let change = (key, option::of(words.line())).prop_map(|(key, value)| ConfChange { key, value });
    vec(change, 1..5).prop_map(|changes| ConfChanged { changes }.into())
}

fn hs_desc(words: Words) -> impl Strategy<Value = Event> {
    let head = (select(HsDescAction::ALL), option::of(words.word()), open!(HsAuth, words));
    let relay = || option::of(long_name(words));
    let reason = option::of(open!(HsDescReason, words));
    let rest = (option::of(words.word()), reason, option::of(any::<u32>()), option::of(words.word()));
    let desc = (head, relay(), rest).prop_map(|((action, address, auth), hsdir, rest)| {
        let (desc_id, reason, replica, hsdir_index) = rest;
        HsDesc { action, address, auth, hsdir, desc_id, reason, replica, hsdir_index }.into()
    });
    let content = (option::of(words.word()), words.word(), relay(), words.lines()).prop_map(
        |(address, desc_id, hsdir, content)| HsDescContent { address, desc_id, hsdir, content }.into(),
    );
    prop_oneof![desc, content]
}

fn transport(words: Words) -> impl Strategy<Value = Event> {
    let launched =
        (open!(TransportMode, words), words.word(), any::<SocketAddr>()).prop_map(|(mode, name, address)| {
            // An address of an event has neither scope nor flow.
            let address = SocketAddr::new(address.ip(), address.port());
            TransportLaunched { mode, name, address }.into()
        });
    prop_oneof![
        launched,
        vec(argument(words), 0..5).prop_map(|arguments| PtLog { arguments }.into()),
        vec(argument(words), 0..5).prop_map(|arguments| PtStatus { arguments }.into()),
    ]
}

fn others(words: Words) -> impl Strategy<Value = Event> {
    let clients =
        (whole_time(), counts(words), counts(words)).prop_map(|(time_started, countries, ip_versions)| {
            ClientsSeen { time_started, countries, ip_versions }.into()
        });
    prop_oneof![
        (select(LogLevel::ALL), words.line()).prop_map(|(level, text)| Log { level, text }.into()),
        (long_name(words), open!(GuardStatus, words))
            .prop_map(|(relay, status)| Guard { relay, status }.into()),
        words.lines().prop_map(|entries| Ns { entries }.into()),
        words.lines().prop_map(|entries| NewConsensus { entries }.into()),
        vec(long_name(words), 0..5).prop_map(|relays| NewDesc { relays }.into()),
        Just(DescChanged.into()),
        open!(SignalName, words).prop_map(|signal| Signal { signal }.into()),
        any::<bool>().prop_map(|up| NetworkLiveness { up }.into()),
        clients,
    ]
}

/// Any event.
pub(crate) fn event(words: Words) -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => circ(words),
        1 => circ_minor(words),
        3 => stream(words),
        1 => or_conn(words),
        3 => bandwidth(words),
        1 => cell_stats(words),
        1 => addr_map(words),
        1 => status(words),
        1 => build_timeout(),
        1 => conf_changed(words),
        2 => hs_desc(words),
        2 => transport(words),
        4 => others(words),
    ]
}
