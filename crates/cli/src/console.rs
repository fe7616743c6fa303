//! What is printed and asked: results on stdout, progress, questions and errors on stderr.

use crate::env::Env;
use crate::error::CliError;
use crate::printable::{json_text, printable};
use serde_json::Value;
use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Write};

/// Longest answer to a question, in bytes: a token or a URL is far shorter.
const ANSWER_LIMIT_BYTES: u64 = 16 * 1024;

/// The three streams of a command. Tests give their own.
pub struct Console {
    pub(crate) input: Box<dyn BufRead + Send>,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    out_color: bool,
    err_color: bool,
    json: bool,
    /// `Creating app...` stands without its end.
    open: bool,
}

/// What a piece of text is; on a terminal it gets that thing's colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    App,
    Name,
    Good,
    Bad,
    Faint,
    Head,
    /// One of six colours, chosen by the number.
    Series(usize),
}

/// One cell of a table.
pub(crate) struct Cell(pub(crate) String, pub(crate) Option<Paint>);

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::App => "35",
            Self::Name | Self::Good => "32",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Head => "1",
            Self::Series(index) => ["33", "36", "32", "35", "34", "31"][index % 6],
        }
    }
}

fn painted(on: bool, paint: Paint, text: &str) -> String {
    if on { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
}

impl Console {
    /// The process's own streams.
    #[must_use]
    pub fn of_process(env: &Env) -> Self {
        let mut console = Self::new(
            Box::new(BufReader::new(io::stdin())),
            Box::new(BufWriter::new(io::stdout())),
            Box::new(io::stderr()),
        );
        console.out_color = env.terminal.stdout && !env.no_color;
        console.err_color = env.terminal.stderr && !env.no_color;
        console
    }

    /// These streams, without colour.
    #[must_use]
    pub fn new(input: Box<dyn BufRead + Send>, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { input, out, err, out_color: false, err_color: false, json: false, open: false }
    }

    /// From here on stdout is for JSON only, and stderr for errors.
    pub(crate) fn set_json(&mut self, json: bool) {
        self.json = json;
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// `text` in its colour, for stdout.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        painted(self.out_color, paint, text)
    }

    /// `⬢ shop`, for stdout.
    pub(crate) fn app(&self, name: &str) -> String {
        self.paint(Paint::App, &format!("⬢ {name}"))
    }

    /// `⬢ shop`, for stderr.
    pub(crate) fn app_note(&self, name: &str) -> String {
        painted(self.err_color, Paint::App, &format!("⬢ {name}"))
    }

    /// One line of the result.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.out, "{text}").map_err(CliError::Console)
    }

    /// Bytes of a stream, shown at once.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out.write_all(bytes).map_err(CliError::Console)?;
        self.flush()
    }

    /// Shows what was printed so far.
    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush().map_err(CliError::Console)
    }

    /// The API's answer, indented.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), CliError> {
        self.line(&json_text(value))
    }

    /// `=== text` and an empty line.
    pub(crate) fn head(&mut self, text: &str) -> Result<(), CliError> {
        let head = self.paint(Paint::Head, &format!("=== {text}"));
        self.line(&format!("{head}\n"))
    }

    /// `Name:   value` lines with the values below each other.
    pub(crate) fn fields(&mut self, fields: &[(&str, String)]) -> Result<(), CliError> {
        let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) + 1;
        for (name, value) in fields {
            let name = format!("{:width$}", format!("{name}:"));
            let name = self.paint(Paint::Name, &name);
            self.line(&format!("{name} {value}"))?;
        }
        Ok(())
    }

    /// Rows with columns of equal width, two spaces apart. Nothing in a cell moves the terminal.
    pub(crate) fn table(&mut self, rows: &[Vec<Cell>]) -> Result<(), CliError> {
        let clean = |row: &Vec<Cell>| row.iter().map(|Cell(text, paint)| Cell(printable(text), *paint)).collect();
        let rows: Vec<Vec<Cell>> = rows.iter().map(clean).collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.0.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &rows {
            let mut line = String::new();
            for (Cell(text, paint), width) in row.iter().zip(&widths) {
                let padding = " ".repeat(width - text.chars().count() + 2);
                line += &paint.map_or_else(|| text.clone(), |paint| self.paint(paint, text));
                line += &padding;
            }
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    /// `Creating ⬢ shop... `: the end follows with [`Self::end`], or the error with [`Self::report`].
    pub(crate) fn begin(&mut self, what: &str) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        self.open = true;
        write!(self.err, "{what}... ").and_then(|()| self.err.flush()).map_err(CliError::Console)
    }

    /// Ends what [`Self::begin`] began.
    pub(crate) fn end(&mut self, how: &str) -> Result<(), CliError> {
        if std::mem::take(&mut self.open) { writeln!(self.err, "{how}").map_err(CliError::Console) } else { Ok(()) }
    }

    /// A remark on stderr; none in JSON mode.
    pub(crate) fn note(&mut self, text: &str) -> Result<(), CliError> {
        if self.json { Ok(()) } else { writeln!(self.err, "{text}").map_err(CliError::Console) }
    }

    /// A marked remark on stderr, also in JSON mode.
    pub(crate) fn warn(&mut self, text: &str) -> Result<(), CliError> {
        let mark = painted(self.err_color, Paint::Series(0), "▸");
        writeln!(self.err, " {mark}    {text}").map_err(CliError::Console)
    }

    /// Asks on stderr and reads one line.
    pub(crate) fn ask(&mut self, question: &str) -> Result<String, CliError> {
        self.prompt(question)?;
        self.answer()
    }

    /// Asks on stderr; the caller reads the answer.
    pub(crate) fn prompt(&mut self, question: &str) -> Result<(), CliError> {
        write!(self.err, "{question}").and_then(|()| self.err.flush()).map_err(CliError::Console)
    }

    /// One line of stdin, without the spaces around it.
    pub(crate) fn answer(&mut self) -> Result<String, CliError> {
        Ok(self.input_line()?.trim().to_owned())
    }

    /// One line of stdin, without its end; empty when there is none.
    pub(crate) fn input_line(&mut self) -> Result<String, CliError> {
        let mut line = String::new();
        let read = io::Read::take(&mut self.input, ANSWER_LIMIT_BYTES).read_line(&mut line);
        read.map_err(|source| CliError::local("read the answer from stdin", source))?;
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The error line, and what to type next. Trouble with printing it is not reported: there is nowhere left.
    pub(crate) fn report(&mut self, error: &CliError) {
        let _ = self.flush();
        if error.is_closed_pipe() {
            return;
        }
        let end = if std::mem::take(&mut self.open) { "!\n" } else { "" };
        let mark = painted(self.err_color, Paint::Bad, "▸");
        let next = error.next().map(|next| format!("      {next}\n")).unwrap_or_default();
        let _ = write!(self.err, "{end} {mark}    {error}\n{next}").and_then(|()| self.err.flush());
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("json", &self.json).finish_non_exhaustive()
    }
}
