//! YAML as a tree that knows its lines, so that whoever finds something wrong in it can say where.
//!
//! Read by `saphyr-parser`. Anchors and aliases are refused: a few lines of them can stand for gigabytes.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Levels inside each other; more is no configuration that people write.
const DEPTH_LIMIT: usize = 32;

/// A value, and the line that it begins in, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its line.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, a number, `true`, nothing: as it is written. `plain`: without quotes.
    Scalar {
        /// As it is written, without its quotes.
        text: String,
        /// It had none.
        plain: bool,
    },
    /// `[a, b]`.
    List(Vec<Node>),
    /// `a: b`, in the order of the file.
    Map(Vec<(Node, Node)>),
}

/// Text that is no such YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadYaml {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

impl BadYaml {
    /// Wrong at this node.
    #[must_use]
    pub fn at(node: &Node, why: impl Into<String>) -> Self {
        Self { line: node.line, why: why.into() }
    }
}

impl Value {
    /// As people call it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scalar { .. } => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// Its text, unless it is a list or a mapping.
    ///
    /// # Errors
    /// With `what` it should have been.
    pub fn text(&self, what: &str) -> Result<&str, BadYaml> {
        match &self.value {
            Value::Scalar { text, .. } => Ok(text),
            Value::List(_) | Value::Map(_) => Err(self.is_not(what)),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// For anything else; YAML's old `yes` and `on` too, which people read in different ways.
    pub fn flag(&self, what: &str) -> Result<bool, BadYaml> {
        match &self.value {
            Value::Scalar { text, plain: true } if text == "true" => Ok(true),
            Value::Scalar { text, plain: true } if text == "false" => Ok(false),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
                Err(Self::at(self, format!("{what} is true or false")))
            }
        }
    }

    /// Its members.
    ///
    /// # Errors
    /// When it is no list.
    pub fn list(&self, what: &str) -> Result<&[Self], BadYaml> {
        match &self.value {
            Value::List(all) => Ok(all),
            Value::Scalar { .. } | Value::Map(_) => Err(self.is_not(what)),
        }
    }

    /// Its keys and values.
    ///
    /// # Errors
    /// When it is no mapping.
    pub fn map(&self, what: &str) -> Result<&[(Self, Self)], BadYaml> {
        match &self.value {
            Value::Map(all) => Ok(all),
            Value::Scalar { .. } | Value::List(_) => Err(self.is_not(what)),
        }
    }

    fn at(node: &Self, why: String) -> BadYaml {
        BadYaml::at(node, why)
    }

    fn is_not(&self, what: &str) -> BadYaml {
        BadYaml::at(self, format!("{what} expected, but here is {}", self.value.kind()))
    }
}

/// Reads the one document of a text; `None` when it has none.
///
/// # Errors
/// What is wrong with it, with its line.
pub fn read(text: &str) -> Result<Option<Node>, BadYaml> {
    let mut parser = Parser::new_from_str(text);
    let mut root = None;
    while let Some(next) = event(&mut parser)? {
        match next {
            (Event::DocumentStart(_), line) if root.is_some() => return Err(wrong(line, "a second document")),
            (Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd, _)
            | (Event::Nothing, _) => {}
            (begun, line) => root = Some(node(&mut parser, begun, line, 0)?),
        }
    }
    Ok(root)
}

type Scan<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

fn event<'t>(parser: &mut Scan<'t>) -> Result<Option<(Event<'t>, usize)>, BadYaml> {
    match parser.next() {
        None => Ok(None),
        Some(Ok((event, span))) => Ok(Some((event, span.start.line().max(1)))),
        Some(Err(error)) => Err(wrong(error.marker().line().max(1), error.info())),
    }
}

fn wrong(line: usize, why: &str) -> BadYaml {
    BadYaml { line, why: why.to_owned() }
}

fn node<'t>(parser: &mut Scan<'t>, begun: Event<'t>, line: usize, depth: usize) -> Result<Node, BadYaml> {
    if depth > DEPTH_LIMIT {
        return Err(wrong(line, "more levels than anybody can read"));
    }
    let value = match begun {
        Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
            if anchor > 0 =>
        {
            return Err(wrong(line, "anchors (&name) are not read here; write the value where it is needed"));
        }
        Event::Alias(_) => return Err(wrong(line, "aliases (*name) are not read here; write the value out")),
        Event::Scalar(text, style, _, _) => {
            Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
        }
        Event::SequenceStart(..) => Value::List(members(parser, line, depth)?),
        Event::MappingStart(..) => {
            let members = members(parser, line, depth)?;
            let mut pairs = Vec::with_capacity(members.len() / 2);
            let mut members = members.into_iter();
            while let (Some(key), Some(value)) = (members.next(), members.next()) {
                pairs.push((key, value));
            }
            Value::Map(pairs)
        }
        Event::Nothing
        | Event::StreamStart
        | Event::StreamEnd
        | Event::DocumentStart(_)
        | Event::DocumentEnd
        | Event::SequenceEnd
        | Event::MappingEnd => return Err(wrong(line, "a value is missing")),
    };
    Ok(Node { line, value })
}

/// What a list or a mapping holds; keys and values in turn.
fn members(parser: &mut Scan<'_>, line: usize, depth: usize) -> Result<Vec<Node>, BadYaml> {
    let mut all = Vec::new();
    loop {
        match event(parser)? {
            None => return Err(wrong(line, "it does not end")),
            Some((Event::SequenceEnd | Event::MappingEnd, _)) => return Ok(all),
            Some((begun, line)) => all.push(node(parser, begun, line, depth + 1)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_knows_its_lines() {
        let root = read("a: 1\nb:\n  - x\n  - 'y'\n").unwrap().unwrap();
        let map = root.map("top").unwrap();
        assert_eq!(map[0].0.text("key").unwrap(), "a");
        let list = map[1].1.list("b").unwrap();
        assert_eq!((list[0].line, list[1].line), (3, 4));
        assert_eq!(list[1].value, Value::Scalar { text: "y".into(), plain: false });
        assert_eq!(read("# nothing\n").unwrap(), None);
    }

    #[test]
    fn what_is_not_read_says_where() {
        let bomb = "a: &a [x, x]\nb: [*a, *a]\n";
        assert_eq!(read(bomb).unwrap_err().line, 1);
        assert_eq!(read("a: 1\nb: [1, 2\n").unwrap_err().line, 3);
        assert!(read(&"[".repeat(500)).is_err());
        assert_eq!(read("a: 1\n---\nb: 2\n").unwrap_err().why, "a second document");
        assert!(read("a: yes\n").unwrap().unwrap().map("x").unwrap()[0].1.flag("a").is_err());
    }
}
