//! The examples that `cargo xtask test` runs: those a README names belong here.

/// An example program of the `commutator-examples` package.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) name: &'static str,
    /// `$NAME` is a variable of the services; an example whose variable is not there is named as skipped.
    pub(crate) arguments: &'static [&'static str],
}

/// In the order in which they run.
pub(crate) const EXAMPLES: &[Example] = &[];

impl Example {
    /// The arguments with the variables in place, or the variable that is missing.
    pub(crate) fn resolve(&self, env: &[(String, String)]) -> Result<Vec<String>, &'static str> {
        let resolve = |argument: &&'static str| match argument.strip_prefix('$') {
            None => Ok((*argument).to_owned()),
            Some(name) => env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).ok_or(name),
        };
        self.arguments.iter().map(resolve).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_place() {
        let example = Example { name: "x", arguments: &["--to", "$URL"] };
        let env = [("URL".to_owned(), "postgres://".to_owned())];
        assert_eq!(example.resolve(&env).unwrap(), ["--to", "postgres://"]);
        assert_eq!(example.resolve(&[]), Err("URL"));
    }
}
