//! The cells of the link handshake: missing, repeated, out of order, malformed, cut off.

use std::io;

use bytes::{BufMut, BytesMut};
use tor_cell::{
    DecodeError,
    frame::{ChanCmd, CircIdWidth, put_fixed, put_variable},
};
use tor_chan::LinkError;
use tor_net::ChannelError;
use tor_testnet::{Edit, Misbehave};

use crate::{
    link, refused,
    support::{Client, address, channels, network, within},
};

/// Where the good cells are.
const VERSIONS: usize = 0;
const CERTS: usize = 1;
const CHALLENGE: usize = 2;
const NETINFO: usize = 3;

type Cells = Vec<BytesMut>;

async fn handshake(edit: impl Fn(&mut Cells) + Send + Sync + 'static) -> LinkError {
    link(refused(Misbehave::Handshake(Edit::new(edit))).await)
}

/// The handshake comes to a good end all the same.
async fn tolerated(edit: impl Fn(&mut Cells) + Send + Sync + 'static) {
    let relay = network().start(0).await.unwrap();
    relay.arm(Misbehave::Handshake(Edit::new(edit)));
    let channels = channels();
    let channel = within(channels.get(&address(&relay))).await.unwrap();
    Client { relay, channels, channel }.goes_on().await;
}

fn variable(command: ChanCmd, body: &[u8]) -> BytesMut {
    let mut cell = BytesMut::new();
    put_variable(command, body, CircIdWidth::Four, &mut cell).unwrap();
    cell
}

fn fixed(command: ChanCmd) -> BytesMut {
    let mut cell = BytesMut::new();
    put_fixed(None, command, &[], &mut cell).unwrap();
    cell
}

fn versions(body: &[u8]) -> BytesMut {
    let mut cell = BytesMut::new();
    put_variable(ChanCmd::VERSIONS, body, CircIdWidth::Two, &mut cell).unwrap();
    cell
}

fn unexpected(awaiting: ChanCmd, got: ChanCmd) -> LinkError {
    LinkError::Unexpected { awaiting, got }
}

#[tokio::test]
async fn cells_that_are_missing() {
    let error = handshake(|cells| drop(cells.remove(CERTS))).await;
    assert_eq!(error, unexpected(ChanCmd::CERTS, ChanCmd::AUTH_CHALLENGE));
    let error = handshake(|cells| drop(cells.remove(CHALLENGE))).await;
    assert_eq!(error, unexpected(ChanCmd::AUTH_CHALLENGE, ChanCmd::NETINFO));
    // Four bytes of circuit id, read as two.
    let error = handshake(|cells| drop(cells.remove(VERSIONS))).await;
    assert_eq!(error, unexpected(ChanCmd::VERSIONS, ChanCmd::PADDING));
}

#[tokio::test]
async fn cells_that_come_twice() {
    let twice = |which: usize| move |cells: &mut Cells| cells.insert(which, cells[which].clone());
    assert_eq!(handshake(twice(CERTS)).await, unexpected(ChanCmd::AUTH_CHALLENGE, ChanCmd::CERTS));
    assert_eq!(handshake(twice(CHALLENGE)).await, unexpected(ChanCmd::NETINFO, ChanCmd::AUTH_CHALLENGE));
    // "Any VERSIONS cells sent after the first VERSIONS cell MUST be ignored."
    tolerated(|cells| cells.insert(CERTS, variable(ChanCmd::VERSIONS, &[0, 3]))).await;
}

#[tokio::test]
async fn cells_out_of_order() {
    assert_eq!(
        handshake(|cells| cells.swap(CERTS, NETINFO)).await,
        unexpected(ChanCmd::CERTS, ChanCmd::NETINFO)
    );
    assert_eq!(
        handshake(|cells| cells.swap(CHALLENGE, NETINFO)).await,
        unexpected(ChanCmd::AUTH_CHALLENGE, ChanCmd::NETINFO)
    );
}

#[tokio::test]
async fn cells_that_have_no_place_in_a_handshake() {
    for command in [ChanCmd::RELAY, ChanCmd::CREATE2, ChanCmd::DESTROY, ChanCmd::PADDING, ChanCmd(77)] {
        let error = handshake(move |cells| cells.insert(CHALLENGE, fixed(command))).await;
        assert_eq!(error, unexpected(ChanCmd::AUTH_CHALLENGE, command));
    }
    let error = handshake(|cells| cells.insert(NETINFO, variable(ChanCmd::AUTHENTICATE, &[0; 4]))).await;
    assert_eq!(error, unexpected(ChanCmd::NETINFO, ChanCmd::AUTHENTICATE));
}

#[tokio::test]
async fn padding_and_cells_of_the_future_are_tolerated() {
    tolerated(|cells| {
        cells.insert(NETINFO, variable(ChanCmd::VPADDING, &[0; 300]));
        cells.insert(CERTS, variable(ChanCmd(200), b"from a later version"));
        cells.insert(CERTS, variable(ChanCmd::AUTHORIZE, &[]));
    })
    .await;
}

#[tokio::test]
async fn malformed() {
    let what = |what| LinkError::Malformed(DecodeError { what });
    assert_eq!(handshake(|cells| cells[VERSIONS] = versions(&[0, 4, 0])).await, what("VERSIONS"));
    // Four certificates, it says; and then there are none.
    assert_eq!(handshake(|cells| cells[CERTS] = variable(ChanCmd::CERTS, &[4])).await, what("CERTS"));
    assert_eq!(handshake(|cells| cells[CERTS] = variable(ChanCmd::CERTS, &[])).await, what("CERTS"));
    let error = handshake(|cells| cells[CHALLENGE] = variable(ChanCmd::AUTH_CHALLENGE, &[7; 20])).await;
    assert_eq!(error, what("AUTH_CHALLENGE"));
    // 255 addresses of 255 bytes each.
    let error = handshake(|cells| {
        cells[NETINFO].truncate(5);
        cells[NETINFO].put_slice(&[0, 0, 0, 0, 4, 4, 127, 0, 0, 1]);
        cells[NETINFO].put_bytes(255, 499);
    })
    .await;
    assert_eq!(error, what("NETINFO"));
}

#[tokio::test]
async fn no_version_in_common() {
    for body in [&[][..], &[0, 3], &[0, 1, 0, 2, 0, 6]] {
        assert_eq!(
            handshake(move |cells| cells[VERSIONS] = versions(body)).await,
            LinkError::NoSharedVersion
        );
    }
}

#[tokio::test]
async fn a_circuit_before_there_can_be_one() {
    let error = handshake(|cells| cells[CERTS][3] = 1).await;
    assert_eq!(error, LinkError::CircuitId { command: ChanCmd::CERTS });
}

#[tokio::test]
async fn more_than_any_handshake_needs() {
    let error = handshake(|cells| {
        for _ in 0..3 {
            cells.insert(CERTS, variable(ChanCmd::VPADDING, &[0; 65_535]));
        }
    })
    .await;
    assert_eq!(error, LinkError::TooLong);
}

#[tokio::test]
async fn cut_off_in_a_cell() {
    for (cell, length) in [(VERSIONS, 3), (CERTS, 100), (CHALLENGE, 6), (NETINFO, 513)] {
        let cut = Edit::new(move |cells: &mut Cells| {
            cells.truncate(cell + 1);
            cells[cell].truncate(length);
        });
        let error = refused(Misbehave::HandshakeThenClose(cut)).await;
        assert!(
            matches!(&error, ChannelError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn something_else_than_tls() {
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    for garbage in [http, vec![0; 100], vec![22, 3, 3, 0, 4, 2, 0, 0, 0]] {
        let error = refused(Misbehave::GarbageTls(garbage)).await;
        assert!(matches!(error, ChannelError::Tls(_)), "{error:?}");
    }
    let error = refused(Misbehave::CloseTcp).await;
    assert!(matches!(error, ChannelError::Tls(_)), "{error:?}");
}
