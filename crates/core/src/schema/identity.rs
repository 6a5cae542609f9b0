//! What a column is known by before it has its destination's name, where that is not just an attribute.
//!
//! A column that rules made from an attribute has an identity of its own, so that it is never taken for an attribute that happens to have
//! its name: where the value comes from, the separator U+001F, and the name that is wanted. Destinations see only names that
//! [`Names`](super::Names) gives.

const WANTED: char = '\u{1f}';
const MEMBER: char = '\u{1e}';
const VARIANT: char = '\u{1d}';

/// Returns the identity of an attribute's column under another name.
pub(crate) fn renamed(attribute: &str, name: &str) -> String {
    format!("{attribute}{WANTED}{name}")
}

/// Returns the identity of the column of a map's member.
pub(crate) fn member(of: &str, name: &str, separator: &str) -> String {
    format!("{}{MEMBER}{name}{WANTED}{}{separator}{name}", origin(of), wanted(of))
}

/// Returns the identity of the column of those values of another that are of this kind.
pub(crate) fn variant(of: &str, kind: &str) -> String {
    format!("{}{VARIANT}{kind}{WANTED}{}__{kind}", origin(of), wanted(of))
}

/// Returns the identity of the column that another stands beside for values of one kind; `None` if it stands beside none.
pub(crate) fn variant_of(identity: &str) -> Option<String> {
    let (of, kind) = origin(identity).rsplit_once(VARIANT)?;
    let wanted = wanted(identity).strip_suffix(kind)?.strip_suffix("__")?;
    Some(if wanted == of { of.to_owned() } else { renamed(of, wanted) })
}

/// Returns the identity of the column that packs all attributes.
pub(crate) fn packed() -> String {
    format!("{MEMBER}{WANTED}data")
}

/// Returns the identity of the column that has each item's exact JSON: `_ct_item`, a name that no attribute is given.
pub fn item_column() -> String {
    format!("{MEMBER}item{WANTED}_ct_item")
}

/// Returns whether a column was made of no single attribute, so that its name may be one that is kept for the system.
pub(crate) fn is_system(identity: &str) -> bool {
    identity.starts_with(MEMBER)
}

/// Returns the name that a column shall have as far as its destination takes it.
pub(crate) fn wanted(identity: &str) -> &str {
    identity.split_once(WANTED).map_or(identity, |(_, wanted)| wanted)
}

/// Returns the attribute that a column was made from; any other text than an identity is an attribute.
pub fn attribute_of(identity: &str) -> &str {
    let origin = origin(identity);
    origin.split_once([MEMBER, VARIANT]).map_or(origin, |(attribute, _)| attribute)
}

fn origin(identity: &str) -> &str {
    identity.split_once(WANTED).map_or(identity, |(origin, _)| origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_tell_names_and_attributes() {
        let city = member(&member("address", "home", "_"), "city", ".");
        let text = variant(&city, "text");
        let renamed = variant(&renamed("a", "b"), "json");
        for (identity, name, attribute) in [
            ("plain", "plain", "plain"),
            (&city, "address_home.city", "address"),
            (&text, "address_home.city__text", "address"),
            (&renamed, "b__json", "a"),
            (&packed(), "data", ""),
        ] {
            assert_eq!((wanted(identity), attribute_of(identity)), (name, attribute));
        }
        assert_ne!(member("a", "b", "_"), "a_b");
        for of in ["plain".to_owned(), super::renamed("a", "b"), city] {
            assert_eq!(variant_of(&variant(&of, "text")), Some(of.clone()));
            assert_eq!(variant_of(&of), None);
        }
    }
}
