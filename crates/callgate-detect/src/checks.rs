//! What has to hold of a candidate beyond its expression: check digits, readable parts, randomness.

mod assigned;
mod keys;
mod numbers;

use serde::Deserialize;
use std::ops::Range;

/// What has to hold of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// Nothing.
    #[default]
    Nothing,
    /// It goes on to the end of the key.
    PrivateKey,
    /// Its header is one.
    Jwt,
    /// It is no word that stands for a password.
    NotAPlaceholder,
    /// It looks like made by chance, and is assigned to a secret's name.
    RandomLooking,
    /// It is an address that mail could go to.
    Email,
    /// An issuer gives such numbers, and the check digit is right.
    PaymentCard,
    /// A country has such numbers, and the check digits are right.
    Iban,
    /// It has as many digits as a number may have.
    Phone,
    /// It can have been issued.
    UsSsn,
    /// It is a public address.
    IpAddress,
}

/// What an expression matched.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'t> {
    /// The whole text.
    pub(crate) text: &'t str,
    /// Where the whole match begins.
    pub(crate) before: usize,
    /// What would be redacted.
    pub(crate) span: Range<usize>,
}

impl Candidate<'_> {
    /// The candidate itself.
    fn found(&self) -> &str {
        self.text.get(self.span.clone()).unwrap_or_default()
    }

    /// Shannon entropy, in bits a character.
    pub(crate) fn entropy(&self) -> f64 {
        entropy(self.found().as_bytes())
    }
}

impl Check {
    /// What is to be redacted, where it holds.
    pub(crate) fn verify(self, candidate: &Candidate<'_>) -> Option<Range<usize>> {
        let text = candidate.found();
        let holds = match self {
            Self::Nothing => true,
            Self::PrivateKey => return Some(keys::private_key(candidate.text, candidate.span.clone())),
            Self::Jwt => keys::is_jwt(text),
            Self::NotAPlaceholder => !assigned::is_placeholder(text),
            Self::RandomLooking => assigned::is_random(candidate),
            Self::Email => numbers::is_email(text),
            Self::PaymentCard => numbers::is_payment_card(text),
            Self::Iban => return numbers::iban(text).map(|length| candidate.span.start..candidate.span.start + length),
            Self::Phone => numbers::is_phone(text),
            Self::UsSsn => numbers::is_us_ssn(text),
            Self::IpAddress => numbers::is_public_address(text),
        };
        holds.then(|| candidate.span.clone())
    }

    /// The same in words; empty for nothing.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::PrivateKey => "goes on to the end line",
            Self::Jwt => "the header is decoded",
            Self::NotAPlaceholder => "no placeholder",
            Self::RandomLooking => "letters and digits mixed, no identifier, no placeholder, no paging token",
            Self::Email => "a plausible domain",
            Self::PaymentCard => "issuer's prefix and length, Luhn",
            Self::Iban => "country's length, mod 97",
            Self::Phone => "7 to 15 digits",
            Self::UsSsn => "area, group and serial that are issued",
            Self::IpAddress => "parses, and is public",
        }
    }
}

/// Shannon entropy, in bits a byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    // Texts are far shorter than what is exact here.
    let length = bytes.len() as f64;
    let share = |count: &u32| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(share).sum()
}

#[cfg(test)]
mod tests {
    use super::entropy;

    #[test]
    fn entropy_is_of_characters() {
        for (text, expected) in [("", 0.0), ("aaaa", 0.0), ("abab", 1.0), ("abcd", 2.0), ("abcdefgh", 3.0)] {
            assert!((entropy(text.as_bytes()) - expected).abs() < 1e-9, "{text}");
        }
    }
}
