//! The examples of a page of Markdown: its fenced blocks, and the commands in them with what they show.

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Its first line of text, from 1.
    pub(super) line: usize,
    /// The first word behind the fence.
    pub(super) language: String,
    /// A further word is `moving`: its numbers differ from run to run.
    pub(super) moving: bool,
    /// A further word is `later`: what it shows is not built yet.
    pub(super) later: bool,
    pub(super) text: String,
}

/// A command, and what the page shows of its output.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) command: String,
    pub(super) shown: Vec<String>,
}

/// The fenced blocks of a page.
pub(super) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(info), None) => {
                let language = info.split_whitespace().next().unwrap_or_default().to_owned();
                let marked = |mark| info.split_whitespace().skip(1).any(|word| word == mark);
                open = Some(Block { line: at + 2, language, moving: marked("moving"), later: marked("later"), text: String::new() });
            }
            (None, Some(mut block)) => {
                block.text.extend([line, "\n"]);
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

impl Block {
    /// The name of the file that the block is, told in a comment on its first line, or behind the one that names an interpreter.
    pub(super) fn file_name(&self) -> Option<&str> {
        let line = self.text.lines().find(|line| !line.starts_with("#!"))?;
        let named = |name: &&str| name.rsplit_once('.').is_some_and(|(_, kind)| matches!(kind, "yaml" | "py" | "sh"));
        line.strip_prefix("# ").filter(|name| !name.contains(' ')).filter(named)
    }

    /// The commands of a console.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { line: self.line + at, command: command.to_owned(), shown: Vec::new() }),
                (None, Some(step)) if step.shown.is_empty() && goes_on(&step.command) => step.command.extend(["\n", line]),
                (None, Some(step)) => step.shown.push(line.to_owned()),
                (None, None) => panic!("line {}: output without a command", self.line + at),
            }
        }
        steps
    }
}

/// Whether a line is missing: behind a backslash, or until the end of a document that stands in the command.
fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || command.contains("<<'END'") && !command.ends_with("\nEND")
}

#[test]
fn a_page_is_read_into_blocks_and_steps() {
    let page = "Text.\n```yaml\n# a.yaml\nkind: A\n```\n```console moving\n$ one \\\n  --more\nshown\n\n$ two   # why\n```\n";
    let blocks = blocks(page);
    let step = |line, command: &str, shown: &[&str]| Step {
        line,
        command: command.to_owned(),
        shown: shown.iter().map(|&line| line.to_owned()).collect(),
    };
    assert_eq!((blocks[0].file_name(), blocks[0].moving), (Some("a.yaml"), false));
    assert_eq!((blocks[1].language.as_str(), blocks[1].moving), ("console", true));
    assert_eq!(blocks[1].steps(), [step(7, "one \\\n  --more", &["shown", ""]), step(11, "two   # why", &[])]);
}
