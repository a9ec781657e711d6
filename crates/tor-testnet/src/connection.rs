//! One connection from a client: TLS, the link handshake, and then cells.

use std::{collections::BTreeMap, io, net::IpAddr};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;
use tor_cell::{
    CircId,
    chan::Destroy,
    frame::{ChanCmd, CircIdWidth, Frame},
};
use tor_chan::responder::{Credentials, Responder, ResponderStep};

use crate::{
    CertPlan, Misbehave, Seen,
    circuit::{Circuit, Complaint, Output, Then},
    relay::Shared,
};

pub(crate) async fn serve(mut tcp: TcpStream, client: IpAddr, shared: &Shared) -> io::Result<()> {
    let offence = shared.commit(|armed| {
        matches!(armed, Misbehave::SilentTcp | Misbehave::GarbageTls(_) | Misbehave::CloseTcp)
            .then(|| armed.clone())
    });
    match offence {
        Some(Misbehave::CloseTcp) => return Ok(()),
        Some(Misbehave::GarbageTls(garbage)) => {
            tcp.write_all(&garbage).await?;
            return until_closed(&mut tcp).await;
        }
        Some(_) => return until_closed(&mut tcp).await,
        None => {}
    }
    tcp.set_nodelay(true)?;
    let tls = shared.tls.acceptor.accept(tcp).await?;
    let mut connection = Connection { tls, input: BytesMut::new(), out: Output::default() };
    if connection.handshake(client, shared).await? {
        shared.note(Seen::LinkOpen);
        connection.carry(shared).await?;
    }
    Ok(())
}

async fn until_closed(tcp: &mut TcpStream) -> io::Result<()> {
    while tcp.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

struct Connection {
    tls: TlsStream<TcpStream>,
    input: BytesMut,
    out: Output,
}

impl Connection {
    /// The link handshake; false if it came to nothing.
    async fn handshake(&mut self, client: IpAddr, shared: &Shared) -> io::Result<bool> {
        let mut responder = Responder::new(credentials(shared)?, client);
        loop {
            let Some(frame) = Frame::read(&self.input, responder.width()) else {
                if self.tls.read_buf(&mut self.input).await? == 0 {
                    return Ok(false);
                }
                continue;
            };
            let (len, command) = (frame.len, frame.command);
            let step = responder.on_frame(&frame, &mut self.out.plain);
            self.input.advance(len);
            if command == ChanCmd::VERSIONS {
                shared.note(Seen::Versions);
                if self.answer_versions(shared).await? {
                    return Ok(false);
                }
            }
            match step {
                Ok(ResponderStep::Next(next)) => responder = next,
                Ok(ResponderStep::Done(_)) => return Ok(true),
                Err(error) => {
                    shared.complain(error.to_string());
                    return Ok(false);
                }
            }
        }
    }

    /// Sends what the handshake has to say, edited if so armed; true if the connection is to close then.
    async fn answer_versions(&mut self, shared: &Shared) -> io::Result<bool> {
        let mut cells = split(self.out.plain.split());
        let offence = shared.commit(Misbehave::handshake);
        let close = match offence {
            Some((edit, close)) => {
                edit.apply(&mut cells);
                close
            }
            None => false,
        };
        for cell in cells {
            self.tls.write_all(&cell).await?;
        }
        self.tls.flush().await?;
        if close {
            self.tls.shutdown().await?;
        }
        Ok(close)
    }

    async fn carry(&mut self, shared: &Shared) -> io::Result<()> {
        let mut circuits = BTreeMap::new();
        loop {
            while let Some(frame) = Frame::read(&self.input, CircIdWidth::Four) {
                let len = frame.len;
                if let Err(complaint) = on_frame(&frame, &mut circuits, shared, &mut self.out) {
                    shared.complain(complaint);
                    if let Some(id) = frame.circ {
                        circuits.remove(&id);
                        let destroy = Destroy { reason: tor_cell::DestroyReason::TORPROTOCOL };
                        let _fits = tor_cell::frame::put_message(Some(id), &destroy, &mut self.out.plain);
                    }
                }
                self.input.advance(len);
            }
            for circuit in circuits.values_mut() {
                if let Err(complaint) = circuit.pump(&mut self.out.plain) {
                    shared.complain(complaint);
                }
            }
            let plain = self.out.plain.split();
            self.tls.write_all(&plain).await?;
            self.tls.flush().await?;
            match self.out.then.take() {
                Some(Then::BelowTls(bytes)) => self.tls.get_mut().0.write_all(&bytes).await?,
                Some(Then::CloseTls) => {
                    // TLS alone: it is the client that closes TCP.
                    self.tls.get_mut().1.send_close_notify();
                    self.tls.flush().await?;
                    return until_closed(self.tls.get_mut().0).await;
                }
                Some(Then::CloseTcp) => return Ok(()),
                None => {}
            }
            if self.tls.read_buf(&mut self.input).await? == 0 {
                return Ok(());
            }
        }
    }
}

fn on_frame(
    frame: &Frame<'_>,
    circuits: &mut BTreeMap<CircId, Circuit>,
    shared: &Shared,
    out: &mut Output,
) -> Result<(), Complaint> {
    let id = frame.circ.ok_or("a cell for no circuit");
    let body = || frame.fixed().copied().map_err(|_| "a variable cell");
    match frame.command {
        ChanCmd::PADDING | ChanCmd::VPADDING | ChanCmd::PADDING_NEGOTIATE => Ok(()),
        ChanCmd::CREATE_FAST | ChanCmd::CREATE2 => {
            let id = id?;
            // MUST: the initiator of the link sets the high bit (tor-spec 4.1.1).
            if id.to_wire() & 1 << 31 == 0 || circuits.contains_key(&id) {
                return Err("a circuit id that can't be");
            }
            circuits.insert(id, Circuit::create(id, frame.command, &body()?, shared, out)?);
            Ok(())
        }
        ChanCmd::RELAY | ChanCmd::RELAY_EARLY => match circuits.get_mut(&id?) {
            Some(circuit) => circuit.on_relay(frame.command, &mut body()?, shared, out),
            // The client has not heard of its end.
            None => Ok(()),
        },
        ChanCmd::DESTROY => {
            let id = id?;
            let Destroy { reason } = frame.decode().map_err(|_| "a malformed DESTROY")?;
            circuits.remove(&id);
            shared.note(Seen::Destroy(id, reason));
            Ok(())
        }
        _ => Err("a cell that clients don't send"),
    }
}

fn credentials(shared: &Shared) -> io::Result<Credentials> {
    #[expect(clippy::disallowed_methods, reason = "a relay's certificates are for today")]
    let wall = std::time::SystemTime::now();
    let mut plan = CertPlan::new(&shared.identity, shared.tls.digest, wall);
    if let Some(edit) = shared.commit(Misbehave::certs) {
        edit.apply(&mut plan);
    }
    let certs = plan.make(&shared.identity).map_err(io::Error::other)?;
    Ok(Credentials { certs, challenge: [7; 32], time: 0, addresses: vec![IpAddr::from([127, 0, 0, 1])] })
}

/// VERSIONS and what follows it, cell by cell.
fn split(mut cells: BytesMut) -> Vec<BytesMut> {
    let mut width = CircIdWidth::Two;
    let mut found = Vec::new();
    while let Some(len) = Frame::read(&cells, width).map(|frame| frame.len) {
        found.push(cells.split_to(len));
        width = CircIdWidth::Four;
    }
    found
}
