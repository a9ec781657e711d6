//! What controllers may do to streams: choose their circuits, lead them elsewhere, close them.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::oneshot;
use tor_circ::HopIndex;
use tor_ctrl_events::{CircStatus, CircuitId, StreamId};

use super::{Ledger, Phase, StreamRecord, Why};
use crate::CircuitHandle;

/// Longest address that a stream can be led to, as in a SOCKS request.
const MAX_HOST: usize = 255;

/// There is no stream of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Unknown stream \"{0}\"")]
pub struct UnknownStream(pub StreamId);

/// A stream that can't be attached. The texts are those of the replies to ATTACHSTREAM, after the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// There is no such stream.
    #[error(transparent)]
    Stream(#[from] UnknownStream),
    /// There is no such circuit.
    #[error("Unknown circuit \"{0}\"")]
    Circuit(CircuitId),
    /// It is open already, or Tor chooses a circuit for it.
    #[error("Connection is not managed by controller.")]
    NotManaged,
    /// The circuit is not built.
    #[error("Can't attach stream to non-open origin circuit")]
    NotOpen,
    /// One hop would know both ends.
    #[error("Can't attach stream to this one-hop circuit.")]
    OneHop,
    /// The circuit is shorter than that.
    #[error("Circuit doesn't have {0} hops.")]
    NoHop(u32),
    /// The stream's target is refused, or it is over.
    #[error("Unable to attach stream")]
    Unable,
}

impl AttachError {
    /// The code of the reply.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Stream(_) | Self::Circuit(_) => 552,
            Self::NotManaged => 555,
            Self::NotOpen | Self::OneHop | Self::NoHop(_) | Self::Unable => 551,
        }
    }
}

/// What a controller wants of a stream.
#[derive(Debug)]
pub(crate) enum Order {
    Close(u8),
    Attach(AttachOrder),
}

/// Which circuit a stream is to take.
#[derive(Debug)]
pub(crate) struct AttachOrder {
    /// `None`: Tor chooses.
    circuit: Option<CircuitId>,
    hop: Option<u32>,
    reply: oneshot::Sender<Result<(), AttachError>>,
}

/// A circuit that a controller chose, and the hop at which the stream leaves it.
pub(crate) type ChosenCircuit = (CircuitHandle, Option<HopIndex>);

impl Ledger {
    /// Puts a stream on a circuit (ATTACHSTREAM); without one Tor chooses. `hop` counts from 1, 0 is the last. Returns
    /// when the stream is on its way.
    ///
    /// # Errors
    /// See [`AttachError`]. A stream that waited for its exit's answer has left its circuit all the same, and waits for
    /// a controller.
    pub async fn attach_stream(
        &self,
        id: StreamId,
        circuit: Option<CircuitId>,
        hop: Option<u32>,
    ) -> Result<(), AttachError> {
        let entry = self.live_stream(id).ok_or(UnknownStream(id))?;
        if let Some(circuit) = circuit
            && self.circuit(circuit).is_none()
        {
            return Err(AttachError::Circuit(circuit));
        }
        let (reply, answer) = oneshot::channel();
        {
            let mut state = entry.state();
            match state.phase {
                Phase::Controlled | Phase::Sent if entry.managed => {}
                Phase::Over => return Err(UnknownStream(id).into()),
                Phase::Waiting | Phase::Open | Phase::Controlled | Phase::Sent => {
                    return Err(AttachError::NotManaged);
                }
            }
            state.attach = Some(AttachOrder { circuit, hop, reply });
        }
        entry.ordered.notify_one();
        answer.await.unwrap_or(Err(AttachError::Unable))
    }

    /// Leads a stream elsewhere when it is attached the next time (REDIRECTSTREAM).
    ///
    /// # Errors
    /// If there is no such stream.
    pub fn redirect_stream(&self, id: StreamId, host: &str, port: Option<u16>) -> Result<(), UnknownStream> {
        let entry = self.live_stream(id).ok_or(UnknownStream(id))?;
        let mut state = entry.state();
        if state.phase == Phase::Over {
            return Err(UnknownStream(id));
        }
        state.host = host.chars().take(MAX_HOST).collect();
        state.port = port.unwrap_or(state.port);
        Ok(())
    }

    /// Closes a stream, open or not, for a reason of the END message's (CLOSESTREAM).
    ///
    /// # Errors
    /// If there is no such stream.
    pub fn close_stream(&self, id: StreamId, reason: u8) -> Result<(), UnknownStream> {
        let entry = self.live_stream(id).ok_or(UnknownStream(id))?;
        let pipe = {
            let mut state = entry.state();
            if state.phase == Phase::Over {
                return Err(UnknownStream(id));
            }
            if state.phase == Phase::Open {
                state.end = Some(Why::asked(reason));
                state.pipe.upgrade()
            } else {
                state.close = Some(reason);
                None
            }
        };
        entry.ordered.notify_one();
        if let Some(pipe) = pipe {
            pipe.cut();
        }
        Ok(())
    }
}

impl StreamRecord {
    /// Waits for a controller's order. Nothing is lost if this is dropped.
    pub(crate) async fn order(&self) -> Order {
        loop {
            let ordered = self.entry.ordered.notified();
            {
                let mut state = self.entry.state();
                if let Some(reason) = state.close.take() {
                    return Order::Close(reason);
                }
                if let Some(attach) = state.attach.take() {
                    return Order::Attach(attach);
                }
            }
            ordered.await;
        }
    }
}

impl StreamRecord {
    /// Waits until a controller closes a stream that it can't attach, and takes note of its reason.
    pub(crate) async fn closing(&self) {
        loop {
            match self.order().await {
                Order::Close(reason) => return self.failed(Why::asked(reason)),
                Order::Attach(attach) => attach.answer(Err(AttachError::NotManaged)),
            }
        }
    }
}

impl AttachOrder {
    /// The circuit that was chosen: `None` if Tor is to choose, or if the choice is bad, which the controller is told.
    pub(crate) fn circuit(self, ledger: &Arc<Ledger>) -> Option<(Self, Option<ChosenCircuit>)> {
        match self.look_up(ledger) {
            Ok(chosen) => Some((self, chosen)),
            Err(error) => {
                self.answer(Err(error));
                None
            }
        }
    }

    fn look_up(&self, ledger: &Arc<Ledger>) -> Result<Option<ChosenCircuit>, AttachError> {
        let Some(id) = self.circuit else { return Ok(None) };
        let circuit = ledger.circuit(id).ok_or(AttachError::Circuit(id))?;
        if circuit.status != CircStatus::Built {
            return Err(AttachError::NotOpen);
        }
        let hops = circuit.info.path.len();
        if hops < 2 || self.hop == Some(1) {
            return Err(AttachError::OneHop);
        }
        let hop = match self.hop {
            None | Some(0) => None,
            Some(hop) => {
                let index =
                    u8::try_from(hop).ok().filter(|_| usize::try_from(hop).is_ok_and(|hop| hop <= hops));
                Some(HopIndex(index.ok_or(AttachError::NoHop(hop))?.saturating_sub(1)))
            }
        };
        let handle = ledger.circuit_handle(id).ok_or(AttachError::NotOpen)?;
        Ok(Some((handle, hop)))
    }

    /// Tells the controller what became of it.
    pub(crate) fn answer(self, result: Result<(), AttachError>) {
        let _gone = self.reply.send(result);
    }
}
