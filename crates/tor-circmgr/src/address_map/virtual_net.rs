//! The networks from which addresses are made up (`VirtualAddrNetworkIPv4`, `VirtualAddrNetworkIPv6`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand_core::CryptoRng;
use thiserror::Error;

/// A network of which no address is any real host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualNet {
    address: IpAddr,
    bits: u8,
}

/// Text that names no network for made-up addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VirtualNetError {
    /// Not `ADDRESS/BITS`.
    #[error("not a network")]
    Syntax,
    /// An address of the other kind.
    #[error("incorrect address type")]
    Family,
    /// Too few addresses are in it.
    #[error("a /{0} network or larger is expected")]
    TooSmall(u8),
}

impl VirtualNet {
    /// C Tor's default: nothing there can be reached, whoever tries.
    pub const DEFAULT_V4: Self = Self { address: IpAddr::V4(Ipv4Addr::new(127, 192, 0, 0)), bits: 10 };
    /// C Tor's default.
    pub const DEFAULT_V6: Self =
        Self { address: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), bits: 10 };

    /// Reads `127.192.0.0/10`: 16 bits at the most.
    ///
    /// # Errors
    /// If it is no such network.
    pub fn parse_v4(text: &str) -> Result<Self, VirtualNetError> {
        let net = Self::parse(text, 32)?;
        match net.address {
            IpAddr::V4(_) if net.bits <= 16 => Ok(net),
            IpAddr::V4(_) => Err(VirtualNetError::TooSmall(16)),
            IpAddr::V6(_) => Err(VirtualNetError::Family),
        }
    }

    /// Reads `[FE80::]/10`: 104 bits at the most.
    ///
    /// # Errors
    /// If it is no such network.
    pub fn parse_v6(text: &str) -> Result<Self, VirtualNetError> {
        let net = Self::parse(text, 128)?;
        match net.address {
            IpAddr::V6(_) if net.bits <= 104 => Ok(net),
            IpAddr::V6(_) => Err(VirtualNetError::TooSmall(104)),
            IpAddr::V4(_) => Err(VirtualNetError::Family),
        }
    }

    /// Without `/BITS` it is one address, which is too few of either kind.
    fn parse(text: &str, all: u8) -> Result<Self, VirtualNetError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
        let address = super::parse_ip(address.trim()).ok_or(VirtualNetError::Syntax)?;
        let bits = bits.map_or(Ok(all), |bits| bits.trim().parse()).map_err(|_| VirtualNetError::Syntax)?;
        Ok(Self { address, bits })
    }

    /// True if the address is of the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                (net.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                (net.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Any address of the network; `None` if it looks like a network's own or its broadcast.
    pub(super) fn throw(&self, rng: &mut impl CryptoRng) -> Option<IpAddr> {
        match self.address {
            IpAddr::V4(net) => {
                let ours = u32::MAX.checked_shr(self.bits.into()).unwrap_or(0);
                let address = Ipv4Addr::from_bits((net.to_bits() & !ours) | (rng.next_u32() & ours));
                let [.., last] = address.octets();
                (!matches!(last, 0 | 255)).then_some(address.into())
            }
            IpAddr::V6(net) => {
                let ours = u128::MAX.checked_shr(self.bits.into()).unwrap_or(0);
                let dice = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
                Some(Ipv6Addr::from_bits((net.to_bits() & !ours) | (dice & ours)).into())
            }
        }
    }
}

/// 80 bits of dice in base 32, and `.virtual`.
pub(super) fn name(rng: &mut impl CryptoRng) -> String {
    let mut dice = [0; 16];
    rng.fill_bytes(&mut dice);
    let letter = |byte: u8| match byte & 31 {
        letter @ 0..26 => char::from(b'a' + letter),
        digit => char::from(b'2' + (digit - 26)),
    };
    let mut name: String = dice.into_iter().map(letter).collect();
    name.push_str(".virtual");
    name
}
