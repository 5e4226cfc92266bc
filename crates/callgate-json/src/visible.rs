//! Text that can't hide anything from whoever reads it: what shows nothing, or turns the order of other characters
//! around, is spelled out.

use std::fmt::Write;

/// Characters that show nothing or steer those around them, as ranges: control and format characters (Unicode general
/// categories Cc and Cf), spaces other than U+0020, fillers, variation selectors and tags, private use, line and
/// paragraph separators, noncharacters.
const HIDDEN: [(u32, u32); 40] = [
    (0x00, 0x1f),
    (0x7f, 0xa0),
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x6dd, 0x6dd),
    (0x70f, 0x70f),
    (0x890, 0x891),
    (0x8e2, 0x8e2),
    (0x115f, 0x1160),
    (0x1680, 0x1680),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x2000, 0x200f),
    (0x2028, 0x202f),
    (0x205f, 0x206f),
    (0x2800, 0x2800),
    (0x3000, 0x3000),
    (0x3164, 0x3164),
    (0xe000, 0xf8ff),
    (0xfdd0, 0xfdef),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xfffb),
    (0xfffe, 0xffff),
    (0x110bd, 0x110bd),
    (0x110cd, 0x110cd),
    (0x13430, 0x1345f),
    (0x16fe4, 0x16fe4),
    (0x1bca0, 0x1bca3),
    (0x1d159, 0x1d159),
    (0x1d173, 0x1d17a),
    (0x1fffe, 0x1ffff),
    (0x2fffe, 0x2ffff),
    (0x3fffe, 0x3ffff),
    (0xe0000, 0xe0fff),
    (0xf0000, 0xfffff),
    (0x100000, 0x10ffff),
];

/// Whether a character shows nothing, or changes how others are shown.
pub fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&code))
}

/// The text with everything hidden spelled out: `⟨U+202E⟩`.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            // Writing to a string can't fail.
            let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_spelled_out() {
        for (text, expected) in [
            ("plain text, ünïcode 日本 🦀", "plain text, ünïcode 日本 🦀"),
            ("a\u{202e}b", "a⟨U+202E⟩b"),
            ("rm\u{200b} -rf", "rm⟨U+200B⟩ -rf"),
            ("a\u{a0}b\tc\n", "a⟨U+00A0⟩b⟨U+0009⟩c⟨U+000A⟩"),
            ("\u{e0041}\u{feff}\u{2066}x\u{2069}", "⟨U+E0041⟩⟨U+FEFF⟩⟨U+2066⟩x⟨U+2069⟩"),
        ] {
            assert_eq!(visible(text), expected);
        }
        assert!(HIDDEN.windows(2).all(|pair| pair[0].1 < pair[1].0), "in order");
    }
}
