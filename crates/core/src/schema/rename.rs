//! Destination names for attributes: rules, collisions, and a map that never changes a name again.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::identity::{is_system, wanted};

/// What a destination accepts as the name of a column or table.
#[derive(Debug, Clone, Copy)]
pub struct IdentifierRules {
    /// The most bytes a name may have.
    pub max_bytes: usize,
    /// Whether names that differ only in case are different names.
    pub case_sensitive: bool,
    /// Whether a character is accepted.
    pub accepts: fn(char) -> bool,
    /// Names that are taken, in lower case; one that ends with `*` takes all names that begin so.
    pub reserved: &'static [&'static str],
}

/// The names that were given so far: attribute to column.
///
/// It is kept with the checkpoint, so a column keeps its name for as long as the table lives.
pub type NameMap = BTreeMap<String, String>;

/// Every system column's name starts with this.
const SYSTEM_PREFIX: &str = "_ct_";

/// Gives attributes their column names under a destination's rules.
///
/// Columns that rules make from an attribute ask for a name as attributes do.
///
/// The mapping is injective, also for readers that ignore case where the rules say so; a name that was given stays. A name the
/// destination takes as it is stays as it is; otherwise each character it refuses becomes `_`, a name that starts like a system
/// column's gets `attribute` in front, and a name that is too long or taken ends in `__` and eight hexadecimal digits of the
/// attribute's FNV-1a hash, so that it does not depend on the order in which attributes were seen.
#[derive(Debug)]
pub struct Names {
    rules: IdentifierRules,
    given: NameMap,
    taken: HashSet<String>,
    /// The columns that the table has, by what is compared of their names.
    there: HashMap<String, String>,
}

impl Names {
    /// Goes on from the names that were given before.
    pub fn new(rules: IdentifierRules, given: NameMap) -> Self {
        let taken = given.values().map(|name| fold(&rules, name)).collect();
        Self { rules, given, taken, there: HashMap::new() }
    }

    /// Takes notice of the columns that the table has.
    ///
    /// Some may have no attribute yet: a run can die after it made columns and before it kept their names. A new name is either exactly
    /// that of such a column or none that the destination takes for it, in whatever order the attributes come this time.
    pub fn beside<'a>(&mut self, columns: impl IntoIterator<Item = &'a str>) {
        self.there = columns.into_iter().map(|name| (fold(&self.rules, name), name.to_owned())).collect();
    }

    /// Returns the attribute's column name; a new one is added to the map.
    pub fn name(&mut self, attribute: &str) -> &str {
        if !self.given.contains_key(attribute) {
            let name = self.choose(attribute);
            self.taken.insert(fold(&self.rules, &name));
            self.given.insert(attribute.to_owned(), name);
        }
        &self.given[attribute]
    }

    /// Returns the name that the attribute has, or would be given now.
    pub fn look_up(&self, attribute: &str) -> String {
        self.given.get(attribute).cloned().unwrap_or_else(|| self.choose(attribute))
    }

    /// Returns every name that was given.
    pub fn map(&self) -> &NameMap {
        &self.given
    }

    fn choose(&self, attribute: &str) -> String {
        let mut plain: String =
            wanted(attribute).chars().map(|c| if (self.rules.accepts)(c) { c } else { '_' }).collect();
        let lower = plain.to_lowercase();
        let starts = self.rules.reserved.iter().filter_map(|name| name.strip_suffix('*'));
        if starts.chain([SYSTEM_PREFIX]).any(|start| lower.starts_with(start)) && !is_system(attribute) {
            plain.insert_str(0, "attribute");
        }
        let fits = |name: &str| {
            let folded = fold(&self.rules, name);
            !name.is_empty()
                && name.len() <= self.rules.max_bytes
                && !self.rules.reserved.contains(&name.to_lowercase().as_str())
                && !self.taken.contains(&folded)
                && self.there.get(&folded).is_none_or(|there| there == name)
        };
        if fits(&plain) {
            return plain;
        }
        // The first try almost always fits; later ones matter only if two attributes' hashes collide.
        (0..=u32::MAX)
            .map(|salt| shorten(&plain, self.rules.max_bytes, hash(attribute, salt)))
            .find(|name| fits(name))
            .unwrap_or(plain)
    }
}

fn fold(rules: &IdentifierRules, name: &str) -> String {
    if rules.case_sensitive { name.to_owned() } else { name.to_lowercase() }
}

fn shorten(name: &str, max_bytes: usize, hash: u32) -> String {
    let suffix = format!("__{hash:08x}");
    let mut end = name.len().min(max_bytes.saturating_sub(suffix.len()));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

/// FNV-1a over the salt and the name: small, stable for ever, and not a matter of security.
fn hash(name: &str, salt: u32) -> u32 {
    let salted = salt.to_le_bytes();
    let bytes = name.bytes().chain(salted.into_iter().take(if salt == 0 { 0 } else { 4 }));
    bytes.fold(0x811c_9dc5, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORDS: IdentifierRules = IdentifierRules {
        max_bytes: 16,
        case_sensitive: false,
        accepts: |c| c.is_ascii_alphanumeric() || c == '_',
        reserved: &["select", "_part*"],
    };

    #[test]
    fn a_beginning_that_is_taken_is_no_longer_one() {
        let mut names = Names::new(WORDS, NameMap::new());
        assert_eq!(names.name("_PARTY"), "attribute_PARTY");
        assert_eq!(names.name("_par"), "_par");
        assert_eq!(names.name("_ct_x"), "attribute_ct_x");
    }

    proptest! {
        #[test]
        fn names_are_injective_valid_and_stable(attributes in prop::collection::vec("[aAbB_.ä]{0,20}", 0..40)) {
            let mut names = Names::new(WORDS, NameMap::new());
            let first: Vec<_> = attributes.iter().map(|a| names.name(a).to_owned()).collect();
            let mut again = Names::new(WORDS, names.map().clone());
            again.name("another");
            let mut seen = HashMap::new();
            for (attribute, name) in attributes.iter().zip(&first) {
                prop_assert!(!name.is_empty() && name.len() <= 16 && name.chars().all(WORDS.accepts), "{}", name);
                prop_assert!(!name.to_lowercase().starts_with("_ct_"));
                prop_assert_eq!(again.name(attribute), name);
                if let Some(other) = seen.insert(name.to_lowercase(), attribute) {
                    prop_assert_eq!(other, attribute);
                }
            }
        }
    }

    #[test]
    fn columns_whose_names_were_not_kept_are_found_again_in_any_order() {
        let mut names = Names::new(WORDS, NameMap::new());
        let columns = ["Email", "email"].map(|attribute| names.name(attribute).to_owned());
        for order in [["Email", "email"], ["email", "Email"]] {
            let mut again = Names::new(WORDS, NameMap::new());
            again.beside(columns.iter().map(String::as_str));
            let given: HashSet<String> = order.iter().map(|attribute| again.name(attribute).to_owned()).collect();
            assert_eq!(given, columns.iter().cloned().collect());
        }
    }

    #[test]
    fn names_that_collide_both_arrive() {
        let mut names = Names::new(WORDS, NameMap::new());
        assert_eq!(names.name("Id"), "Id");
        let second = names.name("id").to_owned();
        assert!(second.starts_with("id__"), "{second}");
        assert_eq!(names.name("a.b"), "a_b");
        assert_eq!(names.name("_ct_op"), "attribute_ct_op");
        assert!(names.name("select").starts_with("select__"));
        assert_eq!(names.name("id"), second);
    }
}
