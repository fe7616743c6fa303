//! What a client knows: the names that it made, and the ids and names that answers held.

use crate::dice::Dice;
use serde_json::Value;
use testkit::Answer;

/// Ids and names of answers that are remembered; beyond it any of them is forgotten for a new one.
const KNOWN_LIMIT: usize = 300;

/// The longest answer that is looked through, and of a list only its first entries: most of them look alike.
const LOOK_LIMIT_BYTES: usize = 64 * 1024;

pub(crate) struct Seen {
    pub(crate) app: String,
    pub(crate) team: String,
    known: Vec<String>,
}

impl Seen {
    pub(crate) fn new(number: u64) -> Self {
        Self { app: format!("shop-{number}"), team: format!("acme-{number}"), known: Vec::new() }
    }

    pub(crate) fn learn(&mut self, answer: &Answer, dice: &mut Dice) {
        if answer.status.is_success() && answer.body.len() <= LOOK_LIMIT_BYTES {
            self.look(&serde_json::from_slice(&answer.body).unwrap_or_default(), dice);
        }
    }

    fn look(&mut self, value: &Value, dice: &mut Dice) {
        match value {
            Value::Array(all) => all.iter().take(3).for_each(|one| self.look(one, dice)),
            Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        Value::String(text) if matches!(key.as_str(), "id" | "name" | "hostname" | "email" | "url") => {
                            self.remember(text, dice);
                        }
                        other => self.look(other, dice),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn remember(&mut self, text: &str, dice: &mut Dice) {
        if self.known.iter().any(|known| known == text) {
            return;
        }
        if self.known.len() < KNOWN_LIMIT {
            self.known.push(text.to_owned());
        } else {
            let place = dice.index(self.known.len());
            text.clone_into(&mut self.known[place]);
        }
    }

    /// Something that an answer held.
    pub(crate) fn any(&self, dice: &mut Dice) -> String {
        if self.known.is_empty() { self.app.clone() } else { self.known[dice.index(self.known.len())].clone() }
    }
}
