//! How a request came in, and which ways are good enough for passwords and cookies.

use http::Extensions;
use std::net::{IpAddr, Ipv4Addr};

/// How a request came in: an extension that the listener puts into every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Over TCP.
    Tcp {
        /// Who asks; where a trusted proxy stands in between, whom the proxy names.
        peer: IpAddr,
        /// Whether the way is encrypted: by this process, or by the trusted proxy.
        tls: bool,
    },
    /// Over the local socket: a program of the same user.
    LocalSocket,
}

impl Via {
    /// How this request came in; where nobody says, as from anywhere in plain text.
    pub(super) fn of(extensions: &Extensions) -> Self {
        let unknown = Self::Tcp { peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED), tls: false };
        extensions.get().copied().unwrap_or(unknown)
    }

    /// Whether nobody on the way reads along: encrypted, or within this machine.
    pub(super) fn is_private(self) -> bool {
        match self {
            Self::Tcp { peer, tls } => tls || peer.to_canonical().is_loopback(),
            Self::LocalSocket => true,
        }
    }

    /// Whether it is https for the browser.
    pub(super) fn is_https(self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }

    /// From where, for counting attempts: an IPv4 address, the first 64 bits of an IPv6 one (a household or a server
    /// has that many), or the local socket.
    pub(super) fn source(self) -> [u8; 16] {
        let mut source = [0; 16];
        if let Self::Tcp { peer, .. } = self {
            source = match peer.to_canonical() {
                IpAddr::V4(peer) => peer.to_ipv6_mapped().octets(),
                IpAddr::V6(peer) => (u128::from(peer) >> 64 << 64).to_be_bytes(),
            };
        }
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encrypted_or_local_ways_are_private() {
        let tcp = |peer: &str, tls| Via::Tcp { peer: peer.parse().unwrap(), tls };
        for (via, private, https) in [
            (tcp("127.0.0.1", false), true, false),
            (tcp("::1", false), true, false),
            (tcp("::ffff:127.0.0.1", false), true, false),
            (tcp("192.0.2.1", false), false, false),
            (tcp("192.0.2.1", true), true, true),
            (Via::LocalSocket, true, false),
            (Via::of(&Extensions::new()), false, false),
        ] {
            assert_eq!((via.is_private(), via.is_https()), (private, https), "{via:?}");
        }
        assert_eq!(tcp("2001:db8::1", true).source(), tcp("2001:db8::2", true).source());
        assert_ne!(tcp("2001:db8::1", true).source(), tcp("2001:db8:0:1::1", true).source());
        assert_ne!(tcp("192.0.2.1", true).source(), tcp("192.0.2.2", true).source());
    }
}
