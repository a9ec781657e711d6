//! What only shows from inside: a circuit whose task does not keep up.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tor_cell::frame::{ChanCmd, put_fixed};
use tor_chan::ChannelConfig;
use tor_testnet::{Misbehave, Network, Request, Step};

use super::*;
use crate::{Bootstrap, Channels, Ledger, RelayAddress, TlsConfig};

async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), what).await.expect("it should have happened by now")
}

/// Creates a circuit by hand, and never looks at its inbox.
async fn create(channel: &ChannelHandle) -> NewCircuit {
    let circuit = channel.open_circuit().await.unwrap();
    let mut cell = BytesMut::new();
    put_fixed(Some(circuit.id), ChanCmd::CREATE_FAST, &[1; 20], &mut cell).unwrap();
    circuit.down.send(Down::Cells(cell)).await.ok().unwrap();
    circuit
}

/// DATA beyond every window of the circuit: its inbox is as long as they are, twice over, and then it is closed.
/// Nobody else notices.
#[tokio::test]
async fn a_circuit_that_gets_more_than_its_windows_allow_is_closed() {
    let network = Network::new(1).unwrap();
    let relay = network.start(0).await.unwrap();
    let channels = Channels::new(
        TlsConfig::new().unwrap(),
        ChannelConfig::default(),
        Arc::new(Bootstrap::new()),
        Ledger::silent(),
    );
    let address = RelayAddress { ids: relay.identity().ids(), addrs: vec![relay.addr()] };
    let channel = within(channels.get(&address)).await.unwrap();

    let mut good = create(&channel).await;
    let created = within(good.inbox.recv()).await.unwrap();
    assert_eq!(created[4], ChanCmd::CREATED_FAST.0);

    relay.arm(Misbehave::Also(Request::Create, vec![Step::Flood(3 * INBOX_CELLS)]));
    let mut flooded = create(&channel).await;
    let before = within(channel.stats()).await.unwrap().cells_in;
    while within(channel.stats()).await.unwrap().cells_in < before + 3 * 2000 {
        tokio::task::yield_now().await;
    }
    let mut cells = 0;
    while let Some(batch) = within(flooded.inbox.recv()).await {
        cells += batch.len() / CELL_LEN;
    }
    assert!(cells <= INBOX_CELLS, "{cells} cells were kept");
    assert!(cells > INBOX_CELLS / 2, "no more than {cells} cells were kept");

    assert!(channel.is_open());
    relay.arm(Misbehave::Also(Request::Create, vec![Step::Flood(INBOX_CELLS / 2)]));
    let mut next = create(&channel).await;
    let mut cells = 0;
    while cells < INBOX_CELLS / 2 + 1 {
        cells += within(next.inbox.recv()).await.unwrap().len() / CELL_LEN;
    }
}
