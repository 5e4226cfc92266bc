//! Exact decimal numbers: what JSON writes, without rounding.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Most significant digits that a number may have.
const MAX_DIGITS: usize = 38;
/// Largest magnitude of the exponent, counted as in scientific notation (`d.ddd × 10^e`).
const MAX_EXPONENT: i32 = 400;

/// An exact decimal number: `coefficient × 10^exponent`, at most 38 significant digits, exponent within ±400 in
/// scientific notation.
///
/// Always normalised (no trailing zeros in the coefficient, zero has exponent 0, no negative zero), so that derived
/// equality and hashing are numeric: `1`, `1.0` and `1e0` are one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    coefficient: i128,
    exponent: i32,
}

/// Why a number has no exact [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// More than 38 significant digits.
    Digits,
    /// The exponent is beyond ±400.
    Exponent,
    /// Not a number as JSON writes one.
    Syntax,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "the number has more than 38 significant digits",
            Self::Exponent => "the number's exponent is beyond ±400",
            Self::Syntax => "not a JSON number",
        })
    }
}

impl std::error::Error for DecimalError {}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { coefficient: 0, exponent: 0 };
    /// One.
    pub const ONE: Self = Self { coefficient: 1, exponent: 0 };

    fn new(mut coefficient: i128, mut exponent: i32) -> Result<Self, DecimalError> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        let digits = digits(coefficient);
        if digits as usize > MAX_DIGITS {
            return Err(DecimalError::Digits);
        }
        if (exponent + digits as i32 - 1).abs() > MAX_EXPONENT {
            return Err(DecimalError::Exponent);
        }
        Ok(Self { coefficient, exponent })
    }

    /// Whether this is below zero.
    pub fn is_negative(&self) -> bool {
        self.coefficient < 0
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        self.coefficient == 0
    }

    /// The value as an integer, where it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        if self.exponent < 0 {
            return None;
        }
        let scale = 10i128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        i64::try_from(self.coefficient.checked_mul(scale)?).ok()
    }

    /// The nearest binary floating-point number, for libraries that know no other kind.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The exact sum, or an error where it can't be kept exactly.
    pub fn checked_add(self, other: Self) -> Result<Self, DecimalError> {
        if self.is_zero() {
            return Ok(other);
        }
        if other.is_zero() {
            return Ok(self);
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let shift = u32::try_from(high.exponent - low.exponent).map_err(|_| DecimalError::Digits)?;
        let sum = 10i128
            .checked_pow(shift)
            .and_then(|scale| high.coefficient.checked_mul(scale))
            .and_then(|scaled| scaled.checked_add(low.coefficient))
            .ok_or(DecimalError::Digits)?;
        Self::new(sum, low.exponent)
    }

    /// The exact difference, or an error where it can't be kept exactly.
    pub fn checked_sub(self, other: Self) -> Result<Self, DecimalError> {
        self.checked_add(Self { coefficient: -other.coefficient, exponent: other.exponent })
    }

    /// The power of ten of the first digit.
    fn magnitude(&self) -> i32 {
        self.exponent + digits(self.coefficient) as i32 - 1
    }
}

fn digits(coefficient: i128) -> u32 {
    coefficient.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        // An i64 has at most 19 digits, so this can't fail; zero is the harmless answer to the impossible.
        Self::new(i128::from(value), 0).unwrap_or(Self::ZERO)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = self.coefficient.signum().cmp(&other.coefficient.signum());
        if sign != Ordering::Equal || self.is_zero() {
            return sign;
        }
        let by_size = self.magnitude().cmp(&other.magnitude()).then_with(|| {
            // Same magnitude: bring both to 38 digits and compare those; neither can overflow an i128.
            let pad = |d: &Self| d.coefficient.unsigned_abs() * 10u128.pow(MAX_DIGITS as u32 - digits(d.coefficient));
            pad(self).cmp(&pad(other))
        });
        if self.is_negative() { by_size.reverse() } else { by_size }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads a number as JSON writes it (RFC 8259 section 6).
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty()
            || (mantissa.contains('.') && fraction.is_empty())
            || (whole.len() > 1 && whole.starts_with('0'))
        {
            return Err(DecimalError::Syntax);
        }
        let fraction = fraction.trim_end_matches('0');
        let mut coefficient: i128 = 0;
        // Zeros that end the digits are carried aside, so that `1000…` is not counted as significant.
        let mut zeros: u32 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            match byte {
                b'0' => zeros = zeros.saturating_add(u32::from(coefficient != 0)),
                b'1'..=b'9' => {
                    coefficient = 10i128
                        .checked_pow(zeros + 1)
                        .and_then(|scale| coefficient.checked_mul(scale))
                        .and_then(|scaled| scaled.checked_add(i128::from(byte - b'0')))
                        .ok_or(DecimalError::Digits)?;
                    zeros = 0;
                }
                _ => return Err(DecimalError::Syntax),
            }
        }
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        let scale = i64::from(exponent) - fraction.len() as i64 + i64::from(zeros);
        let exponent = i32::try_from(scale).map_err(|_| DecimalError::Exponent)?;
        if exponent.unsigned_abs() > 100_000 {
            return Err(DecimalError::Exponent);
        }
        Self::new(if negative { -coefficient } else { coefficient }, exponent)
    }
}

fn parse_exponent(text: &str) -> Result<i32, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Syntax);
    }
    let digits = digits.trim_start_matches('0');
    if digits.len() > 7 {
        // So far beyond the range that the sign and the mantissa can't bring it back (a zero mantissa stays zero).
        return Ok(if text.starts_with('-') { -10_000_000 } else { 10_000_000 });
    }
    let value: i32 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| DecimalError::Syntax)? };
    Ok(if text.starts_with('-') { -value } else { value })
}

impl fmt::Display for Decimal {
    /// Plain digits where they are short, else scientific notation; both read back as the same value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative() { "-" } else { "" };
        let digits = self.coefficient.unsigned_abs().to_string();
        if self.exponent >= 0 && self.magnitude() < 40 {
            let zeros = usize::try_from(self.exponent).unwrap_or(0);
            return write!(f, "{sign}{digits}{:0<zeros$}", "");
        }
        if self.exponent < 0 && self.magnitude() >= -10 {
            let places = usize::try_from(-self.exponent).unwrap_or(0);
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            return write!(f, "{sign}{whole}.{fraction}");
        }
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        write!(f, "{sign}{first}{point}{rest}e{}", self.magnitude())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn one_value_however_it_is_written() {
        for same in ["1", "1.0", "1e0", "10e-1", "0.1e1", "1.000"] {
            assert_eq!(d(same), Decimal::ONE, "{same}");
        }
        assert_eq!(d("-0"), Decimal::ZERO);
        assert_eq!(d("0e999999999999"), Decimal::ZERO);
    }

    #[test]
    fn no_rounding_where_floats_round() {
        assert_ne!(d("9007199254740993"), d("9007199254740992"));
        assert_eq!(d("0.1").checked_add(d("0.2")), Ok(d("0.3")));
        assert!(d("0.99") > Decimal::ZERO);
        assert!(d("99999999999999999999999999999999999999") > d("99999999999999999999999999999999999998"));
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert_eq!("1e401".parse::<Decimal>(), Err(DecimalError::Exponent));
        assert_eq!("1e999999".parse::<Decimal>(), Err(DecimalError::Exponent));
        assert_eq!("1e99999999999999999999".parse::<Decimal>(), Err(DecimalError::Exponent));
        assert_eq!("123456789012345678901234567890123456789".parse::<Decimal>(), Err(DecimalError::Digits));
        assert_eq!(d("1e400").checked_add(d("1")), Err(DecimalError::Digits));
        for bad in ["", "-", "01", "1.", ".5", "1e", "+1", "1e+", "0x1", "NaN"] {
            assert_eq!(bad.parse::<Decimal>(), Err(DecimalError::Syntax), "{bad}");
        }
    }

    #[test]
    fn order_across_exponents() {
        let sorted = ["-1e300", "-10", "-9.99", "-1e-300", "0", "1e-300", "9.99", "10", "1e300"];
        assert!(sorted.windows(2).all(|pair| d(pair[0]) < d(pair[1])));
    }

    proptest! {
        #[test]
        fn printing_reads_back(coefficient in any::<i64>(), exponent in -300i32..300) {
            let value = d(&format!("{coefficient}e{exponent}"));
            prop_assert_eq!(d(&value.to_string()), value);
        }

        #[test]
        fn agrees_with_integers(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(Decimal::from(a).cmp(&Decimal::from(b)), a.cmp(&b));
            let sum = i128::from(a) + i128::from(b);
            prop_assert_eq!(Decimal::from(a).checked_add(Decimal::from(b)).unwrap(), d(&sum.to_string()));
        }
    }
}
