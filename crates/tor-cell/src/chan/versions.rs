//! VERSIONS, the first cell of a link: which link protocols its sender speaks.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html#VERSIONS-cells>

use bytes::BufMut;
use nom::{
    IResult, Parser, combinator::all_consuming, combinator::map, multi::many0, number::complete::be_u16,
};

use crate::{Body, ChanBody, TooLong, frame::ChanCmd};

/// A version of the link protocol. From 4 on, circuit ids are 4 bytes wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkVersion(pub u16);

impl LinkVersion {
    /// The handshake with VERSIONS, CERTS and NETINFO; 2-byte circuit ids.
    pub const V3: Self = Self(3);
    /// 4-byte circuit ids.
    pub const V4: Self = Self(4);
    /// Link padding.
    pub const V5: Self = Self(5);
}

/// VERSIONS: 2 bytes for each version, to the end of the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// What the sender speaks, in its order.
    pub offered: Vec<LinkVersion>,
}

impl Versions {
    /// The highest version that is offered here and in `ours`.
    pub fn best(&self, ours: &[LinkVersion]) -> Option<LinkVersion> {
        self.offered.iter().filter(|version| ours.contains(version)).max().copied()
    }
}

impl<'a> Body<'a> for Versions {
    const NAME: &'static str = "VERSIONS";

    /// Half a version at the end is an error.
    fn parse(input: &'a [u8]) -> IResult<&'a [u8], Self> {
        map(all_consuming(many0(map(be_u16, LinkVersion))), |offered| Self { offered }).parse(input)
    }

    fn encode(&self, out: &mut impl BufMut) -> Result<(), TooLong> {
        for version in &self.offered {
            out.put_u16(version.0);
        }
        Ok(())
    }
}

impl ChanBody<'_> for Versions {
    const COMMAND: ChanCmd = ChanCmd::VERSIONS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_the_highest_of_both() {
        let theirs =
            |offered: &[u16]| Versions { offered: offered.iter().copied().map(LinkVersion).collect() };
        let ours = [LinkVersion::V4, LinkVersion::V5];
        assert_eq!(theirs(&[3, 5, 4, 6]).best(&ours), Some(LinkVersion::V5));
        assert_eq!(theirs(&[4, 4, 3]).best(&ours), Some(LinkVersion::V4));
        assert_eq!(theirs(&[3, 6]).best(&ours), None);
        assert_eq!(theirs(&[]).best(&ours), None);
    }
}
