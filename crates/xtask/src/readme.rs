//! `cargo xtask readme`: runs the README's own commands, so that none of them rots.
//!
//! A fenced `sh` block with the comment `<!-- run -->` just before it is run, in order, from the repository's root. The test
//! command itself must not be marked: `.ci/run` runs it anyway.

use std::{fs, path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command;

const MARK: &str = "<!-- run -->";

/// Runs the marked blocks of `README.md`; stops at the first that fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    let file = root.join("README.md");
    if !file.exists() {
        println!("there is no README.md yet: nothing to run");
        return Ok(());
    }
    let blocks = blocks(&fs::read_to_string(&file)?)?;
    println!("README.md has {} blocks to run", blocks.len());
    for block in &blocks {
        let since = Instant::now();
        let watched = command::watch(Command::new("sh").args(["-euc", &block.script]).current_dir(root), |_| false)?;
        ensure!(watched.success, "README.md:{}: the command failed", block.line);
        println!("README.md:{}: ok after {:.0} s", block.line, since.elapsed().as_secs_f64());
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// The line of the mark, from 1.
    line: usize,
    script: String,
}

/// The marked blocks. A mark that no `sh` block follows is an error, and so is the test command.
fn blocks(readme: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(readme.lines());
    while let Some((line, text)) = lines.next() {
        if text.trim() != MARK {
            continue;
        }
        let opening = lines.find(|(_, text)| !text.trim().is_empty()).map_or("", |(_, text)| text);
        ensure!(opening.trim() == "```sh", "README.md:{line}: {MARK} stands before {opening:?}, not before ```sh");
        let mut script = String::new();
        loop {
            let (_, text) = lines.next().with_context(|| format!("README.md:{line}: the block has no end"))?;
            if text.trim() == "```" {
                break;
            }
            script.push_str(text);
            script.push('\n');
        }
        if script.contains("cargo xtask test") {
            bail!("README.md:{line}: .ci/run runs the tests already; do not mark this block");
        }
        blocks.push(Block { line, script });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_marked_blocks_in_order() {
        let readme =
            "# T\n<!-- run -->\n\n```sh\na \\\n  b\nc\n```\ntext\n```sh\nnot me\n```\n <!-- run -->\n```sh\nd\n```\n";
        let expected =
            vec![Block { line: 2, script: "a \\\n  b\nc\n".to_owned() }, Block { line: 13, script: "d\n".to_owned() }];
        assert_eq!(blocks(readme).unwrap(), expected);
        assert_eq!(blocks("no blocks\n```sh\nx\n```\n").unwrap(), []);
    }

    #[test]
    fn refuses_marks_that_mean_nothing() {
        for (readme, problem) in [
            ("<!-- run -->\n```toml\n```\n", "not before"),
            ("<!-- run -->\n", "not before"),
            ("<!-- run -->\n```sh\nx\n", "no end"),
            ("<!-- run -->\n```sh\ncargo xtask test\n```\n", "runs the tests already"),
        ] {
            let error = blocks(readme).unwrap_err().to_string();
            assert!(error.contains("README.md:1") && error.contains(problem), "{error}");
        }
    }

    #[test]
    fn runs_them_and_stops_at_a_failure() {
        let root = tempfile::tempdir().unwrap();
        run(root.path()).unwrap();
        let readme = "<!-- run -->\n```sh\ntouch one\n```\n<!-- run -->\n```sh\nfalse\ntouch two\n```\n";
        fs::write(root.path().join("README.md"), readme).unwrap();
        assert!(run(root.path()).unwrap_err().to_string().contains("README.md:5"));
        assert!(root.path().join("one").exists() && !root.path().join("two").exists());
    }
}
