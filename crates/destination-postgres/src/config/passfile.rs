//! The password file (documentation of `libpq`, "The Password File").

/// Returns the password of the first line that fits: `host:port:dbname:user:password`, where `*` fits anything and a backslash takes
/// the next character as it is.
pub(super) fn find(file: &str, wanted: [&str; 4]) -> Option<String> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines.map(fields).find_map(|fields| {
        let (password, place) = fields.split_last()?;
        let fits = place.len() == wanted.len()
            && place.iter().zip(wanted).all(|((field, escaped), wanted)| (field == "*" && !escaped) || field == wanted);
        (fits && !password.0.is_empty()).then(|| password.0.clone())
    })
}

/// Splits a line into at most five fields, and says of each whether a character of it was escaped.
fn fields(line: &str) -> Vec<(String, bool)> {
    let mut fields = vec![(String::new(), false)];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let whole = fields.len() == 5;
        let Some((field, escaped)) = fields.last_mut() else { break };
        match character {
            ':' if !whole => fields.push((String::new(), false)),
            '\\' => {
                *escaped = true;
                field.extend(characters.next());
            }
            c => field.push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let file = "# db:5432:shop:me:no\ndb:5432:shop:you:one\ndb:*:*:me:t\\:w\\\\o\n*:*:*:*:three:3\n";
        assert_eq!(find(file, ["db", "5432", "shop", "you"]).unwrap(), "one");
        assert_eq!(find(file, ["db", "1", "x", "me"]).unwrap(), "t:w\\o");
        assert_eq!(find(file, ["other", "5432", "shop", "me"]).unwrap(), "three:3");
        assert_eq!(find("db:5432:shop", ["db", "5432", "shop", "me"]), None);
        assert_eq!(find("\\*:5432:d:me:x", ["db", "5432", "d", "me"]), None);
    }
}
