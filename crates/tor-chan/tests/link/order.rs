//! Cells before their time, twice, out of place; and whatever else may come.

use proptest::{collection::vec, prelude::*};
use tor_cell::frame::ChanCmd;
use tor_chan::{Expected, LinkError, MAX_HANDSHAKE_BYTES};

use crate::support::*;

/// What a relay sends, in order.
fn good() -> [Vec<u8>; 4] {
    [versions_cell(&[3, 4, 5]), certs_cell(&Relay::new().certs()), challenge_cell(), netinfo_cell(0)]
        .map(|cell| cell.to_vec())
}

/// A client that has been fed the first `count` of those.
fn after(count: usize) -> Client {
    let mut client = Client::new(Expected::default());
    client.feed_all(&good()[..count]).unwrap();
    client
}

const AWAITED: [ChanCmd; 4] = [ChanCmd::VERSIONS, ChanCmd::CERTS, ChanCmd::AUTH_CHALLENGE, ChanCmd::NETINFO];

/// With 2-byte circuit ids before VERSIONS, with 4-byte ones after.
fn cell_for(step: usize, circ: u32, command: u8) -> Vec<u8> {
    let cell = raw_cell(circ, command);
    if step == 0 { cell[2..].to_vec() } else { cell }
}

/// TROVE-2026-006: CERTS and AUTH_CHALLENGE before their time or twice.
#[test]
fn every_other_cell_is_refused() {
    for (step, awaiting) in AWAITED.into_iter().enumerate() {
        for command in (0..=12).chain([129, 130, 131]) {
            let ignored = command == 7 && step > 0;
            if ignored || ChanCmd(command) == awaiting {
                continue;
            }
            let mut client = after(step);
            let refused = client.feed(&cell_for(step, 0, command));
            assert_eq!(refused, Err(LinkError::Unexpected { awaiting, got: ChanCmd(command) }));
            // Long before the body is there.
            let mut client = after(step);
            assert!(client.feed(&cell_for(step, 0, command)[..5]).is_err());
        }
    }
}

#[test]
fn padding_and_a_second_versions_may_come_at_any_time() {
    for step in 0..4 {
        for command in [128, 132, 7, 133, 255] {
            let mut client = after(step);
            let fed = client.feed(&cell_for(step, 0, command));
            match command {
                128 | 132 => assert!(fed.is_ok()),
                // Only when versions are agreed on can there be cells that we don't know.
                133 | 255 => assert_eq!(fed.is_ok(), step > 0),
                _ if step > 0 => assert!(fed.is_ok()),
                _ => continue,
            }
            if fed.is_ok() {
                client.feed_all(&good()[step..]).unwrap();
                assert!(client.link.is_some());
            }
        }
    }
}

#[test]
fn no_cell_of_a_handshake_names_a_circuit() {
    for (step, awaited) in AWAITED.into_iter().enumerate() {
        let mut cell = good()[step].clone();
        cell[1] = 1;
        assert_eq!(after(step).feed(&cell), Err(LinkError::CircuitId { command: awaited }));
    }
}

#[test]
fn bodies_must_be_well_formed() {
    for (step, command) in [(0, 7), (1, 129), (2, 130)] {
        let mut cell = cell_for(step, 0, command);
        let at = cell.len() - 1;
        cell[at] = 1;
        cell.push(9);
        assert!(matches!(after(step).feed(&cell), Err(LinkError::Malformed(_))), "{command}");
    }
    let mut netinfo = raw_cell(0, 8);
    netinfo[10] = 255;
    netinfo[5 + 4 + 1] = 255;
    netinfo[5 + 4 + 2 + 255] = 255;
    assert!(matches!(after(3).feed(&netinfo), Err(LinkError::Malformed(_))));
}

#[test]
fn version_3_is_not_enough() {
    for offered in [&[3][..], &[], &[1, 2, 3, 6]] {
        let refused = Client::new(Expected::default()).feed(&versions_cell(offered));
        assert_eq!(refused, Err(LinkError::NoSharedVersion));
    }
}

#[test]
fn a_handshake_does_not_go_on_for_ever() {
    let mut client = after(1);
    let mut vpadding = raw_cell(0, 128);
    vpadding[5..7].copy_from_slice(&60_000u16.to_be_bytes());
    vpadding.resize(60_007, 0);
    let fed = (0..MAX_HANDSHAKE_BYTES).map(|_| client.feed(&vpadding)).take_while(Result::is_ok);
    assert!(fed.count() <= MAX_HANDSHAKE_BYTES / vpadding.len());
    let mut client = after(1);
    client.feed_all(&[&vpadding, &vpadding]).unwrap();
    assert_eq!(client.feed(&vpadding), Err(LinkError::TooLong));
}

/// The naive model: leave out what is ignored, and the four cells must be what remains, in order. One that is
/// not stops it.
fn opens(cells: &[usize]) -> bool {
    let mut step = 0;
    for &cell in cells {
        match cell {
            _ if step == 4 => break,
            _ if cell == step => step += 1,
            // VPADDING; VERSIONS once more.
            4 => {}
            0 if step > 0 => {}
            _ => return false,
        }
    }
    step == 4
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn only_the_four_cells_in_order_open_a_link(cells in vec(0usize..6, 0..9)) {
        let mut client = Client::new(Expected::default());
        for (at, &cell) in cells.iter().enumerate() {
            let narrow = !cells[..at].contains(&0);
            let bytes = match cell {
                // After the first VERSIONS its circuit id is as wide as everybody's.
                0 if !narrow => raw_cell(0, 7),
                4 => cell_for(usize::from(!narrow), 0, 128),
                5 => cell_for(usize::from(!narrow), 0, 1),
                _ => good()[cell].clone(),
            };
            if client.link.is_some() || client.feed(&bytes).is_err() {
                break;
            }
        }
        prop_assert_eq!(client.link.is_some(), opens(&cells));
    }

    #[test]
    fn no_bytes_panic_and_none_open_a_link(step in 0usize..4, noise in vec(any::<u8>(), 0..2000)) {
        let mut client = after(step);
        let _ = client.feed(&noise);
        prop_assert!(client.link.is_none() || step == 3);
    }

    /// Headers that make sense, bodies that do not.
    #[test]
    fn no_cells_panic(cells in vec((0u8..=255, vec(any::<u8>(), 0..600)), 0..6), step in 0usize..4) {
        let mut client = after(step);
        for (command, body) in cells {
            let mut cell = cell_for(step, 0, command);
            let header = cell.len() - if ChanCmd(command).is_variable() { 0 } else { 509 };
            cell.truncate(header);
            if ChanCmd(command).is_variable() {
                let length = u16::try_from(body.len()).unwrap();
                cell[header - 2..].copy_from_slice(&length.to_be_bytes());
                cell.extend(&body);
            } else {
                cell.extend(body.iter().chain(&[0; 509]).take(509));
            }
            if client.feed(&cell).is_err() {
                break;
            }
        }
        prop_assert!(client.link.is_none() || step == 3);
    }
}
