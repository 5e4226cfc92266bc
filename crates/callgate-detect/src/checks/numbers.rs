//! Numbers and addresses of persons: check digits and what is ever given out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Lengths of IBANs by country (ISO 13616 registry).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 \
    EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 \
    LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 \
    QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";
/// Ends of names that are files, not domains.
const FILES: [&str; 18] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "js", "ts", "css", "json", "html", "md", "txt", "yaml", "yml", "lock",
    "py", "rs",
];

/// Issuers: lowest and highest first six digits, and the lengths of their numbers.
const ISSUERS: [(u32, u32, &[usize]); 12] = [
    (400_000, 499_999, &[13, 16, 19]),
    (510_000, 559_999, &[16]),
    (222_100, 272_099, &[16]),
    (340_000, 349_999, &[15]),
    (370_000, 379_999, &[15]),
    (601_100, 601_199, &[16, 19]),
    (644_000, 659_999, &[16, 19]),
    (352_800, 358_999, &[16]),
    (300_000, 305_999, &[14]),
    (360_000, 369_999, &[14]),
    (380_000, 399_999, &[14]),
    (620_000, 629_999, &[16, 17, 18, 19]),
];

/// An issuer's prefix and length, and the check digit of Luhn.
pub(super) fn is_payment_card(text: &str) -> bool {
    let digits = digits(text);
    let prefix = digits.iter().take(6).fold(0, |number, digit| number * 10 + digit);
    let is_issued =
        ISSUERS.iter().any(|(from, to, lengths)| (*from..=*to).contains(&prefix) && lengths.contains(&digits.len()));
    let is_one = digits.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
    is_issued && !is_one && luhn(&digits)
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// How much of the text is an IBAN: as many characters as its country says, with the right check digits.
pub(super) fn iban(text: &str) -> Option<usize> {
    let country = text.get(..2)?;
    let entry = IBAN_LENGTHS.split_ascii_whitespace().find(|entry| entry.starts_with(country))?;
    let length: usize = entry.get(2..)?.parse().ok()?;
    let mut characters = text.char_indices().filter(|(_, c)| *c != ' ');
    let (last, _) = characters.clone().nth(length - 1)?;
    // One that goes on without a blank is another thing.
    if text.get(last + 1..).is_some_and(|rest| rest.starts_with(|c: char| c != ' ')) {
        return None;
    }
    let compact: String = characters.by_ref().take(length).map(|(_, c)| c).collect();
    let (front, body) = compact.split_at_checked(4)?;
    let value = |c: char| c.to_digit(36).unwrap_or_default();
    let rest = body.chars().chain(front.chars()).map(value).fold(0_u32, |rest, value| {
        let shift = if value > 9 { 100 } else { 10 };
        (rest * shift + value) % 97
    });
    (rest == 1).then_some(last + 1)
}

/// As many digits as ITU-T E.164 allows, and not all alike.
pub(super) fn is_phone(text: &str) -> bool {
    let digits = digits(text);
    let differ = digits.windows(2).any(|pair| matches!(pair, [a, b] if a != b));
    differ && (7..=15).contains(&digits.len())
}

/// An area, group and serial that are given out.
pub(super) fn is_us_ssn(text: &str) -> bool {
    let mut parts = text.split('-').map(|part| part.parse::<u32>().unwrap_or_default());
    let (Some(area), Some(group), Some(serial)) = (parts.next(), parts.next(), parts.next()) else { return false };
    // 078-05-1120 was printed in wallets, 219-09-9999 in an advertisement.
    let is_known = matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999));
    area != 0 && area != 666 && area < 900 && group != 0 && serial != 0 && !is_known
}

/// A domain that is no file's name.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let last = domain.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    !local.contains("..") && !FILES.contains(&last.as_str()) && domain.len() <= 253
}

/// An address that is routed on the Internet.
pub(super) fn is_public_address(text: &str) -> bool {
    match text.parse() {
        Ok(IpAddr::V4(address)) => is_public_v4(address),
        Ok(IpAddr::V6(address)) => is_public_v6(address),
        Err(_) => false,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let is_set_aside = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., ..)
            | (100, 64..=127, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    // `1.2.3.4` is a version far more often than an address, and so is what ends in zero.
    !is_set_aside && !address.is_private() && !address.is_link_local() && d != 0 && a > 9
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // 2001:db8::/32 and 3fff::/20 are for documents.
    (first & 0xE000) == 0x2000 && !(first == 0x2001 && second == 0xDB8) && !(first == 0x3FFF && second < 0x1000)
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}
