//! Inputs from seeds: the seeds themselves first, then changed ones.

/// Longest input, in bytes.
const MAX_LENGTH: usize = 64 << 10;

/// Bytes that parsers treat specially.
const SPECIAL: &[u8] = b"\0\t\n\r \"\\/{}[]:,.*-+0123456789eE~#\x7f\x80\xbf\xc3\xed\xef\xff";

/// Makes inputs; the same seed makes the same ones.
pub(crate) struct Mutator {
    state: u64,
    corpus: Vec<Vec<u8>>,
    words: &'static [&'static str],
    given: usize,
}

impl Mutator {
    pub(crate) fn new(seed: u64, corpus: Vec<Vec<u8>>, words: &'static [&'static str]) -> Self {
        Self { state: seed, corpus, words, given: 0 }
    }

    /// The next input.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        self.given += 1;
        if let Some(seed) = self.corpus.get(self.given - 1) {
            return seed.clone();
        }
        let mut input = self.seed();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input.truncate(MAX_LENGTH);
        input
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.draw() % bound).unwrap_or(0)
    }

    fn seed(&mut self) -> Vec<u8> {
        let index = self.below(self.corpus.len());
        self.corpus.get(index).cloned().unwrap_or_default()
    }

    /// A stretch of `length`, never longer than a few hundred bytes.
    fn stretch(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let end = (start + self.below(300)).min(length);
        start..end
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        match self.below(9) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let pick = self.below(SPECIAL.len());
                input.insert(at, SPECIAL.get(pick).copied().unwrap_or_default());
            }
            2 => {
                let stretch = self.stretch(input.len());
                input.drain(stretch);
            }
            3 => {
                let stretch = self.stretch(input.len());
                let copy = input.get(stretch).unwrap_or_default().to_vec();
                input.splice(at..at, copy);
            }
            4 | 5 => {
                let pick = self.below(self.words.len());
                let word = self.words.get(pick).copied().unwrap_or_default();
                input.splice(at..at, word.bytes());
            }
            6 => {
                // A word in place of a stretch: keeps more of the syntax than an insertion does.
                let pick = self.below(self.words.len());
                let word = self.words.get(pick).copied().unwrap_or_default();
                let stretch = self.stretch(input.len());
                input.splice(stretch, word.bytes());
            }
            7 => {
                let other = self.seed();
                let stretch = self.stretch(other.len());
                input.splice(at..at, other.get(stretch).unwrap_or_default().to_vec());
            }
            _ => {
                let stretch = self.stretch(input.len());
                let copy = input.get(stretch).unwrap_or_default().to_vec();
                for _ in 0..self.below(40) {
                    if input.len() > MAX_LENGTH {
                        return;
                    }
                    input.splice(at..at, copy.iter().copied());
                }
            }
        }
    }
}
