//! Chance that depends on the seed and on names only, so that a seed replays whatever the timing of the requests was.

/// Decides by chance; what is drawn depends on the seed, a label and a number, and on nothing that was drawn before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x9e37_79b9_7f4a_7c15))
    }

    /// Draws a number.
    pub(crate) fn draw(self, label: &str, number: u64) -> u64 {
        mix(self.hash(label.as_bytes()) ^ mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15)))
    }

    /// Draws a number below `bound`; 0 if that is 0.
    pub(crate) fn below(self, bound: u64, label: &str, number: u64) -> u64 {
        if bound == 0 { 0 } else { self.draw(label, number) % bound }
    }

    /// Says yes with this probability.
    pub(crate) fn chance(self, probability: f64, label: &str, number: u64) -> bool {
        let drawn = u32::try_from(self.draw(label, number) >> 32).unwrap_or(u32::MAX);
        f64::from(drawn) / (f64::from(u32::MAX) + 1.0) < probability
    }

    /// Returns as many lower-case hexadecimal digits as asked for, at most 16.
    pub(crate) fn hex(self, digits: usize, label: &str, number: u64) -> String {
        let mut text = format!("{:016x}", self.draw(label, number));
        text.truncate(digits);
        text
    }

    /// Hashes bytes; spread well enough to cut a table into segments.
    pub(crate) fn hash(self, bytes: &[u8]) -> u64 {
        let hash = bytes.iter().fold(self.0, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        mix(hash)
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_label_and_number_alone() {
        let dice = Dice::new(7);
        assert_eq!(dice.draw("a", 1), Dice::new(7).draw("a", 1));
        let others = [dice.draw("a", 2), dice.draw("b", 1), Dice::new(8).draw("a", 1)];
        assert!(others.iter().all(|&other| other != dice.draw("a", 1)));
    }

    #[test]
    fn chances_come_out_about_right() {
        let dice = Dice::new(1);
        let hits = |p| (0..10_000).filter(|&i| dice.chance(p, "x", i)).count();
        assert_eq!(hits(0.0), 0);
        assert_eq!(hits(1.0), 10_000);
        assert!((2_300..2_700).contains(&hits(0.25)), "{}", hits(0.25));
        let low = (0..10_000_u32).filter(|i| dice.hash(&i.to_be_bytes()) < u64::MAX / 4).count();
        assert!((2_300..2_700).contains(&low), "{low}");
    }
}
