//! No bytes make a decoder panic, and what decodes can be encoded.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use tor_cell::{
    Body, CELL_BODY_LEN, CellBody, CircId, chan,
    frame::{ChanCmd, CircIdWidth, Frame, put_fixed, put_variable},
    relay::{self, DosParams, IntroducePlaintext, ProofOfWork, RelayCmd, RelayFormat},
};

use super::bytes;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What decodes must encode, and be the same again.
    #[test]
    fn any_bytes_as_any_message(start in bytes(12), rest in bytes(600)) {
        let body = [start, rest].concat();
        for number in 0..=255 {
            if let Ok(message) = relay::Message::decode(RelayCmd(number), &body) {
                let mut wire = Vec::new();
                message.encode(&mut wire).unwrap();
                prop_assert_eq!(relay::Message::decode(RelayCmd(number), &wire).unwrap(), message);
            }
            if let Ok(message) = chan::Message::decode(ChanCmd(number), &body) {
                let mut wire = Vec::new();
                message.encode(&mut wire).unwrap();
                prop_assert_eq!(chan::Message::decode(ChanCmd(number), &wire).unwrap(), message);
            }
        }
        let _ = IntroducePlaintext::decode(&body);
        let _ = ProofOfWork::decode(&body);
        let _ = DosParams::decode(&body);
    }

    #[test]
    fn any_bytes_as_a_relay_cell(body in vec(any::<u8>(), CELL_BODY_LEN), length in 0u16..600) {
        for (format, at) in [(RelayFormat::V0, 9), (RelayFormat::V1, 17)] {
            let mut cell: CellBody = body.clone().try_into().unwrap();
            let _ = format.decode(&cell);
            cell[at..at + 2].copy_from_slice(&length.to_be_bytes());
            cell[if at == 9 { 0 } else { 16 }] %= 45;
            if let Ok(msg) = format.decode(&cell) {
                let mut again = [0xff; CELL_BODY_LEN];
                format.encode(&msg, &mut again, |padding| padding.fill(0)).unwrap();
                prop_assert_eq!(format.decode(&again).unwrap(), msg);
            }
        }
    }

    /// However a stream of cells is cut, the same cells come out.
    #[test]
    fn any_bytes_as_frames(
        cells in vec((any::<u8>(), any::<u32>(), bytes(600)), 0..6), cut: prop::sample::Index,
    ) {
        let mut wire = BytesMut::new();
        for (command, circ, body) in &cells {
            let command = ChanCmd(*command);
            if command.is_variable() {
                put_variable(command, body, CircIdWidth::Four, &mut wire).unwrap();
            } else {
                let body = &body[..body.len().min(CELL_BODY_LEN)];
                put_fixed(CircId::from_wire(*circ), command, body, &mut wire).unwrap();
            }
        }
        let cut = cut.index(wire.len() + 1);
        let (mut at, mut complete) = (0, 0);
        while let Some(frame) = Frame::read(&wire[at..], CircIdWidth::Four) {
            prop_assert_eq!(Frame::read(&wire[at..cut.max(at)], CircIdWidth::Four).is_some(), at + frame.len <= cut);
            prop_assert_eq!(frame.command.0, cells[complete].0);
            prop_assert!(frame.fixed().is_ok() == (frame.body.len() == CELL_BODY_LEN));
            at += frame.len;
            complete += 1;
        }
        prop_assert_eq!((at, complete), (wire.len(), cells.len()));
    }
}
