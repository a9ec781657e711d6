//! How messages lie in cells.

use tor_cell::{
    CELL_BODY_LEN, CellBody, StreamId,
    relay::{RelayCmd, RelayFormat, RelayMsg},
};

use super::{Case, relay};

fn stream(case: &Case) -> Option<StreamId> {
    StreamId::from_wire(case.number("stream_id").unwrap().try_into().unwrap())
}

fn command(case: &Case) -> RelayCmd {
    RelayCmd(case.number("command").unwrap().try_into().unwrap())
}

#[test]
fn encode() {
    for case in relay("framing_encode") {
        let body = case.body();
        let msg = RelayMsg { command: command(&case), stream: stream(&case), body: &body };
        assert_eq!(msg.command.name(), case.text("name"));
        for (format, field) in [(RelayFormat::V0, "v0_prefix"), (RelayFormat::V1, "v1_prefix")] {
            let prefix = case.hex(field).unwrap();
            // Whatever was there before is gone, and all of the padding but its first 4 bytes is random.
            let mut cell: CellBody = [0xff; CELL_BODY_LEN];
            format.encode(&msg, &mut cell, |padding| padding.fill(0xaa)).unwrap();
            let (start, padding) = cell.split_at(prefix.len());
            assert_eq!(hex::encode(start), hex::encode(&prefix));
            assert!(padding.iter().all(|&byte| byte == 0xaa));
            assert_eq!(format.decode(&cell).unwrap(), msg);
        }
    }
}

#[test]
fn decode() {
    for case in relay("framing_decode") {
        let format = match case.text("format").unwrap() {
            "v0" => RelayFormat::V0,
            _ => RelayFormat::V1,
        };
        let cell = case.padded("cell_prefix_zero_filled_to_509", CELL_BODY_LEN).unwrap();
        let result = format.decode(cell.as_slice().try_into().unwrap());
        if case.text("expect") == Some("ok") {
            let msg = result.unwrap();
            assert_eq!((msg.command, msg.stream), (command(&case), stream(&case)));
            assert_eq!(msg.body.len(), case.size("body_len"));
            assert!(msg.body.starts_with(&case.hex("body_prefix").unwrap()));
        } else {
            assert_eq!(result.unwrap_err().what, "relay cell", "{}", case.0);
        }
    }
}

#[test]
fn commands() {
    let numbers = |section| relay(section).iter().map(|n| n.0.as_u64().unwrap()).collect::<Vec<_>>();
    let those =
        |is: fn(RelayCmd) -> bool| (0..=255).filter(|&n| is(RelayCmd(n))).map(u64::from).collect::<Vec<_>>();
    assert_eq!(those(RelayCmd::is_known), numbers("known_relay_commands"));
    assert_eq!(those(RelayCmd::is_of_stream), numbers("v1_commands_with_stream_id"));
}
