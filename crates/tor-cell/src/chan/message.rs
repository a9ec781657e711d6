//! Any message of a link, for what must know them all: logs and fuzzing.

use super::{
    AuthChallenge, Authenticate, Certs, Create2, CreateFast, Created2, CreatedFast, Destroy, Netinfo,
    Padding, PaddingNegotiate, Versions, Vpadding,
};
use crate::{codec::any_message, frame::ChanCmd};

any_message! {
    /// A message of a link, by its cell's command.
    pub enum Message(ChanCmd);
    PADDING => Padding(Padding),
    DESTROY => Destroy(Destroy),
    CREATE_FAST => CreateFast(CreateFast<'a>),
    CREATED_FAST => CreatedFast(CreatedFast<'a>),
    VERSIONS => Versions(Versions),
    NETINFO => Netinfo(Netinfo),
    CREATE2 => Create2(Create2<'a>),
    CREATED2 => Created2(Created2<'a>),
    PADDING_NEGOTIATE => PaddingNegotiate(PaddingNegotiate),
    VPADDING => Vpadding(Vpadding<'a>),
    CERTS => Certs(Certs<'a>),
    AUTH_CHALLENGE => AuthChallenge(AuthChallenge<'a>),
    AUTHENTICATE => Authenticate(Authenticate<'a>),
}
