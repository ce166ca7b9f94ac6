//! README's fenced blocks: each says how it is kept true, and this is what holds it to that.
//!
//! The info string of a fence is the language and one tag:
//!
//! | tag | how it is kept true |
//! |---|---|
//! | `run` | a test runs the commands and compares the output |
//! | `run-by-ci` | the commands stand as lines of their own in `.ci/run`, which runs them |
//! | `example` | a test replaces names that only a reader has (hosts, files), then runs and compares as for `run` |
//!
//! In a `console` block a line that starts with `$ ` is a command; a line that ends with `\` goes on in the next; a
//! command may say how it ends: `# exit 1`. The other lines are its output, stdout and stderr as a terminal shows them;
//! `..` stands for any text within a line, a line of only `...` for any lines.
//! Does not live here: the test that reads README.md, and the mesh that examples are run against (`stoa-tests`).

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How a block is kept true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// `run`
    Run,
    /// `run-by-ci`
    RunByCi,
    /// `example`
    Example,
}

impl Tag {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "run" => Some(Self::Run),
            "run-by-ci" => Some(Self::RunByCi),
            "example" => Some(Self::Example),
            _ => None,
        }
    }
}

/// One fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Line of the opening fence, from 1.
    pub line: usize,
    /// `console`, `json`, ..
    pub language: String,
    /// How it is kept true.
    pub tag: Tag,
    /// The text between the fences.
    pub body: String,
}

/// One command of a block with what it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As typed, without the prompt; continued lines joined.
    pub command: String,
    /// The exit code it must end with.
    pub exit: i32,
    /// The lines that it must print; none means that its output does not matter.
    pub expected: Vec<String>,
}

/// All fenced blocks of a page.
///
/// # Errors
/// Every block without exactly one tag, and a block that is never closed, each with its line.
pub fn blocks(page: &str) -> Result<Vec<Block>, Vec<String>> {
    let (mut blocks, mut faults) = (Vec::new(), Vec::new());
    let mut lines = (1..).zip(page.lines());
    while let Some((line, text)) = lines.next() {
        let Some((fence, info)) = opening(text) else {
            continue;
        };
        let mut body = String::new();
        let mut closed = false;
        for (_, text) in lines.by_ref() {
            if closes(text, fence) {
                closed = true;
                break;
            }
            body.push_str(text);
            body.push('\n');
        }
        if !closed {
            faults.push(format!("line {line}: this block is never closed"));
        }
        let tags: Vec<Tag> = info
            .split_whitespace()
            .skip(1)
            .filter_map(Tag::from_word)
            .collect();
        let language = info.split_whitespace().next().unwrap_or_default();
        match tags.as_slice() {
            _ if language.is_empty() || Tag::from_word(language).is_some() => {
                faults.push(format!(
                    "line {line}: this block names no language before its tag"
                ));
            }
            [tag] => blocks.push(Block {
                line,
                language: language.to_owned(),
                tag: *tag,
                body,
            }),
            _ => faults.push(format!(
                "line {line}: `{info}` has {} of the tags run, run-by-ci, example; give it one",
                tags.len()
            )),
        }
    }
    if faults.is_empty() {
        Ok(blocks)
    } else {
        Err(faults)
    }
}

impl Block {
    /// The commands of a `console` block with their output.
    ///
    /// # Errors
    /// If the block is not `console`, or does not begin with a command.
    pub fn steps(&self) -> Result<Vec<Step>, String> {
        if self.language != "console" {
            return Err(format!(
                "line {}: a `{}` block has no commands",
                self.line, self.language
            ));
        }
        let mut steps: Vec<Step> = Vec::new();
        let mut lines = self.body.lines();
        while let Some(line) = lines.next() {
            if let Some(command) = line.strip_prefix("$ ") {
                let mut command = command.to_owned();
                while let Some(open) = command.strip_suffix('\\') {
                    command = format!("{}{}", open, lines.next().unwrap_or_default().trim_start());
                }
                let exit = command
                    .rsplit_once("# exit ")
                    .and_then(|(_, code)| code.trim().parse().ok())
                    .unwrap_or(0);
                steps.push(Step {
                    command,
                    exit,
                    expected: Vec::new(),
                });
            } else if let Some(step) = steps.last_mut() {
                step.expected.push(line.to_owned());
            } else {
                return Err(format!(
                    "line {}: the block does not begin with a command (`$ ..`)",
                    self.line
                ));
            }
        }
        if steps.is_empty() {
            Err(format!("line {}: the block is empty", self.line))
        } else {
            Ok(steps)
        }
    }
}

/// The commands of `run-by-ci` blocks that are no line of the CI script.
#[must_use]
pub fn missing_in_ci(blocks: &[Block], script: &str) -> Vec<String> {
    let lines: Vec<&str> = script.lines().map(bare).collect();
    let mut missing = Vec::new();
    for block in blocks.iter().filter(|block| block.tag == Tag::RunByCi) {
        match block.steps() {
            Err(fault) => missing.push(fault),
            Ok(steps) => missing.extend(
                steps
                    .iter()
                    .map(|step| bare(&step.command))
                    .filter(|command| !lines.contains(command))
                    .map(|command| {
                        format!("line {}: `{command}` is no line of .ci/run", block.line)
                    }),
            ),
        }
    }
    missing
}

/// Where the commands of a page run.
#[derive(Debug, Clone, Default)]
pub struct Shell {
    /// The folder they run in.
    pub folder: PathBuf,
    /// Environment beside the one that this process has.
    pub environment: Vec<(String, String)>,
    /// Names that only a reader has, and what stands for them here; replaced in commands and expected output.
    pub replace: Vec<(String, String)>,
}

impl Shell {
    /// Runs the steps one after the other, in bash, and compares what they print and how they end.
    ///
    /// # Errors
    /// Every step that ended otherwise or printed something else.
    pub fn run(&self, steps: &[Step]) -> Result<(), Vec<String>> {
        let faults: Vec<String> = steps
            .iter()
            .filter_map(|step| self.run_one(step).err())
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    fn run_one(&self, step: &Step) -> Result<(), String> {
        let command = self.replaced(&step.command);
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("`{command}`: cannot start bash: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let got: Vec<&str> = text.lines().map(str::trim_end).collect();
        if output.status.code() != Some(step.exit) {
            return Err(format!(
                "`{command}` ended with {}, not {}:\n{text}",
                output.status, step.exit
            ));
        }
        let expected: Vec<String> = step
            .expected
            .iter()
            .map(|line| self.replaced(line))
            .collect();
        let expected: Vec<&str> = expected.iter().map(|line| line.trim_end()).collect();
        if expected.is_empty() || lines_match(&expected, &got) {
            return Ok(());
        }
        Err(format!(
            "`{command}` should print\n{}\nbut printed\n{}",
            expected.join("\n"),
            got.join("\n")
        ))
    }

    fn replaced(&self, text: &str) -> String {
        self.replace
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// Whether printed lines are the expected ones, `...` standing for any lines.
#[must_use]
pub fn lines_match(expected: &[&str], got: &[&str]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=got.len()).any(|skip| lines_match(rest, &got[skip..]))
        }
        Some((first, rest)) => got
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others)),
    }
}

/// Whether one printed line is the expected one, `..` standing for any text.
fn line_matches(expected: &str, got: &str) -> bool {
    let mut parts = expected.split("..").map(|part| part.trim_matches('.'));
    // A split always gives a first part.
    let Some(rest) = parts.next().and_then(|first| got.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    let mut rest = rest;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn opening(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let fence = ["`", "~"]
        .iter()
        .find(|mark| line.starts_with(&mark.repeat(3)))?;
    let length = line.len() - line.trim_start_matches(*fence).len();
    Some((&line[..length], line[length..].trim()))
}

fn closes(line: &str, fence: &str) -> bool {
    let line = line.trim();
    line.len() >= fence.len()
        && line.starts_with(fence)
        && line.trim_start_matches(&fence[..1]).is_empty()
}

/// A line without its comment.
fn bare(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with('#') {
        ""
    } else {
        line.split_once(" #")
            .map_or(line, |(command, _)| command.trim_end())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
mod tests {
    use super::*;

    fn shell() -> Shell {
        Shell {
            folder: std::env::temp_dir(),
            ..Shell::default()
        }
    }

    fn steps(body: &str) -> Vec<Step> {
        blocks(&format!("```console run\n{body}```\n")).unwrap()[0]
            .steps()
            .unwrap()
    }

    #[test]
    fn reads_blocks_with_language_and_tag() {
        let page = "text\n```console run\n$ true\n```\n~~~~json example\n```\n{}\n~~~~\n";
        let got = blocks(page).unwrap();
        assert_eq!(got.len(), 2);
        assert_eq!(
            (got[0].line, got[0].tag, got[0].body.as_str()),
            (2, Tag::Run, "$ true\n")
        );
        assert_eq!(
            (got[1].language.as_str(), got[1].tag, got[1].body.as_str()),
            ("json", Tag::Example, "```\n{}\n")
        );
    }

    #[test]
    fn an_untagged_block_is_a_fault_and_so_is_one_with_two_tags() {
        for bad in [
            "```\nx\n```",
            "```console\nx\n```",
            "```run\nx\n```",
            "```console run example\nx\n```",
            "```console run\nx",
        ] {
            assert_eq!(blocks(bad).unwrap_err().len(), 1, "{bad}");
        }
    }

    #[test]
    fn run_by_ci_commands_must_be_lines_of_the_script() {
        let page = "```console run-by-ci\n$ cargo demo        # builds\n$ cargo xtask test\n```\n";
        let blocks = blocks(page).unwrap();
        assert!(
            missing_in_ci(&blocks, "set -e\ncargo demo\n  cargo xtask test # all\n").is_empty()
        );
        let commented = missing_in_ci(&blocks, "# cargo demo\ncargo xtask test\n");
        assert_eq!(commented, ["line 1: `cargo demo` is no line of .ci/run"]);
        assert_eq!(
            missing_in_ci(&blocks, "echo cargo demo; cargo xtask test --full").len(),
            2
        );
    }

    #[test]
    fn commands_run_and_their_output_is_compared() {
        shell()
            .run(&steps(
                "$ printf 'a 1\\nb\\nc\\n'\na ..\n...\nc\n$ false # exit 1\n",
            ))
            .unwrap();
        let wrong = shell().run(&steps("$ echo other\nthis\n")).unwrap_err();
        assert!(
            wrong[0].contains("should print\nthis\nbut printed\nother"),
            "{wrong:?}"
        );
        assert!(shell().run(&steps("$ false\n")).unwrap_err()[0].contains("exit status: 1"));
        assert!(shell().run(&steps("$ true # exit 1\n")).is_err());
    }

    #[test]
    fn examples_run_with_the_names_that_are_here() {
        let shell = Shell {
            replace: vec![("mesh.example:4433".to_owned(), "127.0.0.1:9".to_owned())],
            ..shell()
        };
        shell
            .run(&steps(
                "$ echo mesh.example:4433 \\\n    and more\nmesh.example:4433 and more\n",
            ))
            .unwrap();
    }

    #[test]
    fn dots_stand_for_text_and_for_lines_and_for_nothing_else() {
        assert!(line_matches("root 5c..09 in .. s", "root 5c1f09 in 4.1 s"));
        assert!(!line_matches("root 5c..09 in .. s", "root 5c1f08 in 4.1 s"));
        assert!(!line_matches("plain", "plainer"));
        assert!(line_matches("..", "anything"));
        assert!(lines_match(&["a", "...", "z"], &["a", "z"]));
        assert!(!lines_match(&["a", "...", "z"], &["a", "z", "b"]));
        assert!(!lines_match(&["a"], &[]));
    }
}
