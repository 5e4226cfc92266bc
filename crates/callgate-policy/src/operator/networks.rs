//! `cidr`: addresses and the networks that hold them.

use super::Verdict;
use super::compile::Unusable;
use std::net::{IpAddr, Ipv6Addr};

/// A network: the bits of its prefix, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// The network that an operand writes; an address alone is a network of one.
    pub(super) fn read(text: &str) -> Result<Self, Unusable> {
        let hint = "write a network such as `10.0.0.0/8` or `2001:db8::/32`, or one address";
        let wrong = || Unusable::new(format!("`{text}` is not a network"), hint);
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let written: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = width(written);
        let is_number = |p: &str| p == "0" || (!p.starts_with('0') && p.bytes().all(|b| b.is_ascii_digit()));
        let prefix = match prefix {
            None => width,
            Some(prefix) if is_number(prefix) => prefix.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        if prefix > width {
            return Err(wrong());
        }
        let unmapped = written.to_canonical();
        // A mapped network is one of IPv4 addresses only where its prefix covers the mapping.
        let (address, prefix) = match (width - self::width(unmapped)).cmp(&prefix) {
            std::cmp::Ordering::Greater => (written, prefix),
            _ => (unmapped, prefix - (width - self::width(unmapped))),
        };
        if masked(address, prefix) != bits(address) {
            let first = first_address(address, prefix);
            return Err(Unusable::new(
                format!("`{text}` has bits set behind its prefix"),
                format!("did you mean `{first}/{prefix}`?"),
            ));
        }
        Ok(Self { address, prefix })
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.prefix) == bits(self.address)
    }
}

/// Whether the address is in one of the networks.
pub(super) fn judge(text: &str, networks: &[Network]) -> Verdict {
    match text.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            networks.iter().any(|network| network.holds(address)).into()
        }
        Err(_) => Verdict::TypeError,
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address, left-aligned in 128 bits.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(address: IpAddr, prefix: u32) -> u128 {
    bits(address) & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
}

fn first_address(address: IpAddr, prefix: u32) -> IpAddr {
    let first = masked(address, prefix);
    match address {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(first >> 96).unwrap_or(0).into()),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(first)),
    }
}
