//! Marked secrets: what each looks like in the forms that something could have written it in, and where it may stand.

use std::fs;
use std::io::Read;
use std::path::Path;

/// One secret.
pub struct Needle {
    /// What it is, for messages.
    pub what: String,
    text: String,
    /// Where it may stand as it is: ends of names of places.
    allowed: Vec<String>,
}

/// What was found somewhere, by its name.
pub type Place = (String, Vec<u8>);

/// A text that stands nowhere by chance, with characters that other forms change, as an HTTP header can have it.
pub fn marked(what: &str) -> String {
    format!("{}+/={}", &hex::encode(what)[..4], &blake3::hash(what.as_bytes()).to_hex()[..36])
}

impl Needle {
    pub fn new(what: &str, text: &str) -> Self {
        assert!(text.len() >= 11, "too short to be found by nothing but itself: {what}");
        Self { what: what.to_owned(), text: text.to_owned(), allowed: Vec::new() }
    }

    /// It may stand in places of this name.
    pub fn allowed(mut self, place: &str) -> Self {
        self.allowed.push(place.to_owned());
        self
    }

    /// The places that hold it, in any form, and should not.
    pub fn found_in<'p>(&self, places: &'p [Place]) -> Vec<&'p str> {
        let forms = self.forms();
        let may = |name: &str| self.allowed.iter().any(|end| name.ends_with(end));
        let places = places.iter().filter(|(name, _)| !may(name));
        places.filter(|(_, bytes)| forms.iter().any(|form| holds(bytes, form))).map(|(name, _)| name.as_str()).collect()
    }

    /// The bytes that give it away: itself, halves of it (a database may part it), and what encodings make of it.
    pub fn forms(&self) -> Vec<Vec<u8>> {
        let bytes = self.text.as_bytes();
        let mut forms = vec![bytes.to_vec(), hex::encode(bytes).into_bytes(), hex::encode_upper(bytes).into_bytes()];
        if bytes.len() >= 32 {
            let (first, second) = bytes.split_at(bytes.len() / 2);
            forms.extend([first.to_vec(), second.to_vec()]);
        }
        let escaped = |plain: &[u8], upper: bool| -> Vec<u8> {
            let one = |byte: &u8| match byte {
                byte if byte.is_ascii_alphanumeric() || plain.contains(byte) => char::from(*byte).to_string(),
                byte if upper => format!("%{byte:02X}"),
                byte => format!("%{byte:02x}"),
            };
            bytes.iter().map(one).collect::<String>().into_bytes()
        };
        forms.extend([escaped(b"-_.~", true), escaped(b"-_.~", false), escaped(b"-_.~/", true)]);
        for alphabet in [b"+/", b"-_"] {
            forms.extend((0..3).map(|offset| base64_within(bytes, offset, *alphabet)));
        }
        forms
    }
}

/// Every file below a directory, and what an archive among them holds.
pub fn files(root: &Path, label: &str, into: &mut Vec<Place>) {
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let name = format!("{label}/{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            files(&path, &name, into);
        } else if kind.is_file() {
            archive(&path, &name, into);
            into.push((name, fs::read(&path).unwrap()));
        }
    }
}

fn archive(path: &Path, name: &str, into: &mut Vec<Place>) {
    if !name.ends_with(".tar") {
        return;
    }
    for entry in tar::Archive::new(fs::File::open(path).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = format!("{name}!{}", entry.path().unwrap().display());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        into.push((name, bytes));
    }
}

/// Whether the bytes hold these.
pub fn holds(bytes: &[u8], form: &[u8]) -> bool {
    // A scan for the first byte, which is much faster than comparing windows.
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == form[0]) {
        if rest[at..].starts_with(form) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// The characters of base64 that depend on nothing but these bytes, where they begin at this offset of a group.
fn base64_within(bytes: &[u8], offset: usize, last: [u8; 2]) -> Vec<u8> {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(last).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let begin = (6 - offset * 8 % 6) % 6;
    let groups = bits[begin..].chunks_exact(6);
    groups.map(|six| alphabet[usize::from(six.iter().fold(0_u8, |value, bit| value << 1 | bit))]).collect()
}
