//! Much, in either direction, at once.

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};
use tor_testnet::pattern;

use crate::read_pattern;
use crate::support::{Client, Judge, open, within};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_download_of_several_mib_is_bit_identical() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let mut stream = open(&circuit, format!("download.{}", 4 * MIB + 17)).await.unwrap();
    read_pattern(&mut stream, 4 * MIB + 17).await;
    client.relay.assert_content();

    let stats = within(client.channel.stats()).await.unwrap();
    let cells = u64::try_from((4 * MIB + 17).div_ceil(498)).unwrap();
    assert!(stats.cells_in > cells && stats.cells_in < cells + 50, "{stats:?}");
    assert_eq!(stats.bytes_in, stats.cells_in * 514);
    // A SENDME for each 50 cells and one for each 100, but for the last ones.
    assert!(stats.cells_out() > cells / 40 && stats.cells_out() < cells / 25, "{stats:?}");
    assert_eq!((stats.late_cells, stats.stray_cells), (0, 0));
}

#[tokio::test]
async fn an_upload_of_several_mib_is_bit_identical() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let bytes: Vec<u8> = pattern(7).take(3 * MIB + 5).collect();
    let mut stream = open(&circuit, format!("upload.{}", bytes.len())).await.unwrap();
    within(stream.write_all(&bytes)).await.unwrap();
    let mut digest = Vec::new();
    within(stream.read_to_end(&mut digest)).await.unwrap();
    assert_eq!(digest, Sha256::digest(&bytes).as_slice());
    client.relay.assert_content();
}

#[tokio::test]
async fn twenty_streams_at_once_do_not_mix() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let mut downloads = JoinSet::new();
    for number in 0..20 {
        let circuit = circuit.clone();
        downloads.spawn(async move {
            let length = 100_000 + 997 * number;
            let mut stream = open(&circuit, format!("download.{length}")).await.unwrap();
            read_pattern(&mut stream, length).await;
        });
    }
    within(downloads.join_all()).await;
    client.relay.assert_content();
}

#[tokio::test]
async fn both_directions_of_many_echoes_at_once() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let mut echoes = JoinSet::new();
    for number in 0..6 {
        let circuit = circuit.clone();
        echoes.spawn(async move {
            let sent: Vec<u8> = pattern(number).take(300_000).collect();
            let stream = open(&circuit, "echo").await.unwrap();
            let (mut reader, mut writer) = tokio::io::split(stream);
            let mut got = vec![0; sent.len()];
            let (read, written) = tokio::join!(reader.read_exact(&mut got), writer.write_all(&sent));
            read.unwrap();
            written.unwrap();
            assert!(got == sent, "other bytes than were sent");
        });
    }
    within(echoes.join_all()).await;
    client.relay.assert_content();
}
