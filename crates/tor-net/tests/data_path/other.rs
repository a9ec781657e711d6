//! What is neither upload nor download.

use std::net::IpAddr;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tor_cell::relay::{BeginFlags, reverse_name};
use tor_circ::HopHandshake;
use tor_circ::{CircParams, HopSpec};
use tor_circmgr::StreamRefusal;
use tor_id::LinkSpec;
use tor_net::{Answer, CircuitHandle, OpenRequest, Opened};
use tor_testnet::{HOST_V4, HOST_V6, Seen};

use crate::support::{Client, Judge, converse, hop, network, within};

#[tokio::test]
async fn data_may_leave_before_the_exit_has_answered() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let early = Bytes::from(vec![9; 3000]);
    let request = OpenRequest::Connect {
        host: "echo".into(),
        port: 443,
        flags: BeginFlags::IPV6_OK,
        early: early.clone(),
    };
    let Opened::Stream(mut stream, None) = within(circuit.open(&request)).await.unwrap() else {
        panic!("not a stream");
    };
    let mut answer = vec![0; early.len()];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, early);
    client.relay.assert_content();
}

#[tokio::test]
async fn names_and_addresses_are_looked_up() {
    let client = Client::new().await;
    let circuit = client.circuit(3).await;
    let look_up = |name: String| {
        let circuit = circuit.clone();
        async move { within(circuit.open(&OpenRequest::Resolve(name))).await }
    };
    let v4 = IpAddr::from([192, 0, 2, 7]);
    let v6 = "2001:db8::7".parse().unwrap();
    for (name, expected) in [
        (HOST_V4.to_owned(), Answer::Address(v4, 60)),
        (HOST_V6.to_owned(), Answer::Address(v6, 60)),
        (reverse_name(v4), Answer::Name(HOST_V4.to_owned(), 60)),
    ] {
        let Opened::Answers(answers) = look_up(name).await.unwrap() else { panic!("not answers") };
        assert_eq!(answers, [expected]);
    }
    let refusal = look_up("nowhere.example".to_owned()).await.unwrap_err();
    assert_eq!(refusal, StreamRefusal::Unresolved { transient: false });
    client.relay.assert_content();
}

#[tokio::test]
async fn the_directory_of_a_one_hop_circuit_made_by_create_fast() {
    let client = Client::new().await;
    client.relay.serve_directory(|request| {
        assert!(request.starts_with("GET /tor/x HTTP/1.0\r\n"));
        [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &[5; 100_000]].concat()
    });
    let circuit = within(CircuitHandle::new(&client.channel, CircParams::default())).await.unwrap();
    let fast = HopSpec { handshake: HopHandshake::CreateFast, addrs: vec![], ..hop(0) };
    within(circuit.add_hop(fast, std::time::Duration::from_secs(30))).await.unwrap();
    let request = OpenRequest::Dir(Bytes::from_static(b"GET /tor/x HTTP/1.0\r\n\r\n"));
    let Opened::Stream(mut stream, None) = within(circuit.open(&request)).await.unwrap() else {
        panic!("not a stream");
    };
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer.len(), 100_019);
    client.relay.assert_content();
}

#[tokio::test]
async fn every_handshake_makes_a_hop() {
    let client = Client::new().await;
    for ntor in [0, 1, 2] {
        let circuit = within(CircuitHandle::new(&client.channel, CircParams::default())).await.unwrap();
        for index in 0..3 {
            let onion_key = network().identity(index).onion_key();
            let handshake =
                if index == ntor { HopHandshake::Ntor { onion_key } } else { hop(index).handshake };
            let spec = HopSpec { handshake, ..hop(index) };
            within(circuit.add_hop(spec, std::time::Duration::from_secs(30))).await.unwrap();
        }
        converse(&circuit).await;
    }
    client.relay.assert_content();
}

#[tokio::test]
async fn a_hop_is_named_to_the_one_before_it_in_full() {
    let client = Client::new().await;
    let _circuit = client.circuit(2).await;
    let asked = within(client.relay.saw(|seen| matches!(seen, Seen::Extend(..)))).await;
    let Seen::Extend(_, specs) = asked else { unreachable!() };
    let spec = hop(1);
    let expected = [
        LinkSpec::Address(spec.addrs[0]),
        LinkSpec::Rsa(spec.ids.rsa),
        LinkSpec::Ed25519(spec.ids.ed25519.unwrap()),
    ];
    assert_eq!(specs, expected);
}
