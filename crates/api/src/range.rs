//! The `Range` header of lists (API-5, CLI-24), in every spelling that clients use.

use model::time::Timestamp;
use std::fmt;

/// Entries in one answer when the client names no number.
const DEFAULT_MAX: usize = 200;

/// The most entries in one answer; many clients ask for it and never follow `Next-Range`.
const LIMIT_MAX: usize = 1000;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRange {
    /// The key that orders the list; `None`: the list's own first one.
    pub field: Option<String>,
    /// The first entry, or the one before it.
    pub from: Option<Bound>,
    /// The last entry.
    pub to: Option<String>,
    /// How many.
    pub max: usize,
    /// Backwards?
    pub descending: bool,
}

/// Where a range begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The key's value.
    pub value: String,
    /// `]value`: begin after it.
    pub after: bool,
}

/// A range that cannot be answered: 416.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not of the form.
    #[error("Range `{0}` is not readable: write for example `id ..; max=200, order=desc`")]
    Unreadable(String),
    /// Not a number of entries.
    #[error("Range option `max={0}` is not a number of entries: use 1 to {LIMIT_MAX}")]
    BadMax(String),
    /// Not an order.
    #[error("Range option `order={0}` is not an order: use asc or desc")]
    BadOrder(String),
    /// The list is not ordered by this key.
    #[error("Cannot order this list by `{field}`: use one of {known}")]
    NoSuchField {
        /// What was asked for.
        field: String,
        /// What there is.
        known: String,
    },
}

impl Default for ListRange {
    fn default() -> Self {
        Self { field: None, from: None, to: None, max: DEFAULT_MAX, descending: false }
    }
}

impl ListRange {
    /// Reads a header such as `version ..; max=15, order=desc`. Stray separators, spaces and unknown options are passed over.
    ///
    /// # Errors
    /// [`RangeError`] for what has no meaning.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        Self::default().overridden(text)
    }

    /// A list that is read from its end, unless the header says another order.
    #[must_use]
    pub fn newest_first() -> Self {
        Self { descending: true, ..Self::default() }
    }

    /// This one, with what a header says of it.
    ///
    /// # Errors
    /// [`RangeError`] for what has no meaning.
    pub fn overridden(self, text: &str) -> Result<Self, RangeError> {
        let mut range = self;
        let (head, options) = text.split_once(';').unwrap_or((text, ""));
        // A range of bytes is another matter; a server may pass over units that it does not know.
        if head.trim_start().starts_with("bytes") {
            return Ok(range);
        }
        let unreadable = || RangeError::Unreadable(text.to_owned());
        let words: Vec<&str> = head.split_whitespace().collect();
        let bounds = match words.as_slice() {
            [] => "",
            [bounds] if bounds.contains("..") => bounds,
            [field] => {
                range.field = Some((*field).to_owned());
                ""
            }
            [field, bounds @ ..] => {
                range.field = Some((*field).to_owned());
                &bounds.concat()
            }
        };
        if !bounds.is_empty() {
            let (from, to) = bounds.split_once("..").ok_or_else(unreadable)?;
            let value = from.trim_start_matches([']', '[']);
            let after = from.starts_with(']');
            range.from = (!value.is_empty()).then(|| Bound { value: value.to_owned(), after });
            range.to = (!to.is_empty()).then(|| to.to_owned());
        }
        for option in options.split([';', ',']) {
            range.take_option(option.trim())?;
        }
        Ok(range)
    }

    fn take_option(&mut self, option: &str) -> Result<(), RangeError> {
        let (key, value) = option.split_once('=').map_or((option, ""), |(key, value)| (key.trim(), value.trim()));
        match (key, value) {
            ("max", value) => match value.parse::<usize>() {
                Ok(max) if max > 0 => self.max = max.min(LIMIT_MAX),
                Ok(_) | Err(_) => return Err(RangeError::BadMax(value.to_owned())),
            },
            ("order", "asc") => self.descending = false,
            ("order", "desc") => self.descending = true,
            ("order", value) => return Err(RangeError::BadOrder(value.to_owned())),
            (_, _) => {}
        }
        Ok(())
    }
}

/// The value of an entry under one key, for ordering and for the headers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Ordered by number.
    Number(i64),
    /// Ordered by moment, which the headers give to the microsecond: two entries of one second keep their order, and the next
    /// page begins between them.
    Time(Timestamp),
    /// Ordered by bytes.
    Text(String),
}

impl Key {
    /// This key, as precise as a bound is written: bodies give moments in whole seconds, and a bound of one means all of it.
    fn beside(&self, text: &str) -> Self {
        match self {
            Self::Time(at) if !text.contains('.') => Self::Time(Timestamp::parse(&at.rfc3339()).unwrap_or(*at)),
            Self::Time(_) | Self::Number(_) | Self::Text(_) => self.clone(),
        }
    }

    /// Reads a bound as the same kind of value as this key.
    fn bound(&self, text: &str) -> Self {
        match self {
            Self::Number(_) => Self::Number(text.parse().unwrap_or(0)),
            Self::Time(_) => Self::Time(Timestamp::parse(text).unwrap_or(Timestamp(0))),
            Self::Text(_) => Self::Text(text.to_owned()),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Time(at) => f.write_str(&at.rfc3339_us()),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A key's name, and how to read it from an entry. The first one of a list is its default order.
pub type Field<T> = (&'static str, fn(&T) -> Key);

/// One answer of a list: some entries, and what its headers say.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// `Accept-Ranges`.
    pub accept: String,
    /// `Content-Range`, when there are entries.
    pub content: Option<String>,
    /// `Next-Range`, when there are more.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Cuts the asked part out of a whole list.
    ///
    /// # Errors
    /// [`RangeError::NoSuchField`] when the list has no such key.
    pub fn cut(all: Vec<T>, range: &ListRange, fields: &[Field<T>]) -> Result<Self, RangeError> {
        let accept = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let wanted = |name: &str| range.field.as_deref().is_none_or(|field| field == name);
        let Some((name, key)) = fields.iter().find(|(name, _)| wanted(name)) else {
            return Err(RangeError::NoSuchField { field: range.field.clone().unwrap_or_default(), known: accept });
        };
        let mut entries: Vec<T> = all.into_iter().filter(|entry| range.holds(&key(entry))).collect();
        entries.sort_by_key(key);
        if range.descending {
            entries.reverse();
        }
        let more = entries.len() > range.max;
        entries.truncate(range.max);
        let edge = |entry: Option<&T>| entry.map(key);
        let content =
            edge(entries.first()).zip(edge(entries.last())).map(|(first, last)| format!("{name} {first}..{last}"));
        let order = if range.descending { "desc" } else { "asc" };
        let (to, max) = (range.to.as_deref().unwrap_or(""), range.max);
        let next = edge(entries.last()).filter(|_| more);
        let next = next.map(|last| format!("{name} ]{last}..{to}; max={max}, order={order}"));
        Ok(Self { entries, accept, content, next })
    }
}

impl ListRange {
    /// Where a list that is ordered by this number is asked for from its end: the largest number that counts, and how many entries
    /// from there are enough to answer and to know whether there are more. A store that gives only them saves reading the rest.
    #[must_use]
    pub fn newest_by(&self, number: &str) -> Option<(i64, usize)> {
        let is_by_it = self.field.as_deref().is_none_or(|field| field == number);
        if !self.descending || !is_by_it {
            return None;
        }
        let at_most = self.from.as_ref().map_or(i64::MAX, |from| from.value.parse().unwrap_or(0));
        // One that `]` leaves out, and one that says that there are more.
        Some((at_most, self.max + 2))
    }

    /// Does an entry with this key lie between the bounds, in the range's own direction?
    fn holds(&self, key: &Key) -> bool {
        let within = |low: &Key, high: &Key| low <= high;
        let from = self.from.as_ref().is_none_or(|from| {
            let (key, bound) = (key.beside(&from.value), key.bound(&from.value));
            let beyond = if self.descending { within(&key, &bound) } else { within(&bound, &key) };
            beyond && !(from.after && key == bound)
        });
        let to = self.to.as_ref().is_none_or(|to| {
            let (key, bound) = (key.beside(to), key.bound(to));
            if self.descending { within(&bound, &key) } else { within(&key, &bound) }
        });
        from && to
    }
}
