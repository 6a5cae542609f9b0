//! The known word that somebody probably meant.

/// Returns the nearest known word, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns a sentence's end that helps: the nearest known word, or all of them.
pub(crate) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", list(known)),
    }
}

/// Returns words in back quotes, separated by commas.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_near_and_other_words_are_not() {
        let known = ["region", "profile", "endpoint_url", "role_arn"];
        for (word, near) in [("regoin", "region"), ("endpoint-url", "endpoint_url"), ("endpoint", "endpoint_url")] {
            let found = nearest(word, known);
            assert_eq!(found, Some(near), "{word}");
        }
        assert_eq!(nearest("mode", known), None);
        assert_eq!(hint("mode", ["a", "b"]), "known: `a`, `b`");
    }
}
