//! What a certificate says of itself: read from DER (X.690, RFC 5280), as much as people are shown.

use crate::time::Timestamp;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use std::fmt::Write;

/// Names in one certificate: more are not shown.
const NAMES_LIMIT: usize = 1000;

/// A certificate, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// `/C=US/O=Example/CN=www.example.com`.
    pub subject: String,
    /// Who signed it, in the same form.
    pub issuer: String,
    /// The host names that it is for.
    pub names: Vec<String>,
    /// From when it is good.
    pub starts_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Bytes that are no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not an X.509 certificate")]
pub struct BadCertificate;

const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// The attributes of a name that have a short form.
const ATTRIBUTES: [(&[u8], &str); 7] = [
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (COMMON_NAME, "CN"),
    (&[0x55, 4, 5], "serialNumber"),
];

impl Certificate {
    /// Reads one.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn read(der: &[u8]) -> Result<Self, BadCertificate> {
        let mut whole = Reader(der).sequence()?;
        let mut body = whole.sequence()?;
        body.maybe(VERSION)?;
        body.take(INTEGER)?;
        body.take(SEQUENCE)?;
        let issuer = name(body.sequence()?)?;
        let mut life = body.sequence()?;
        let (starts_at, expires_at) = (life.time()?, life.time()?);
        let subject = name(body.sequence()?)?;
        body.take(SEQUENCE)?;
        let mut names = Vec::new();
        while let Some((tag, value)) = body.next()? {
            if tag == EXTENSIONS {
                names = alternative_names(Reader(value).sequence()?)?;
            }
        }
        let common = subject.common_name.filter(|_| names.is_empty());
        names.extend(common);
        Ok(Self { subject: subject.line, issuer: issuer.line, names, starts_at, expires_at })
    }

    /// Did its owner sign it?
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

struct Name {
    line: String,
    common_name: Option<String>,
}

fn name(mut parts: Reader<'_>) -> Result<Name, BadCertificate> {
    let (mut line, mut common_name) = (String::new(), None);
    while let Some((SET, part)) = parts.next()? {
        let mut pair = Reader(part).sequence()?;
        let kind = pair.take(OID)?;
        let (tag, value) = pair.next()?.ok_or(BadCertificate)?;
        let value = text(tag, value);
        let short = ATTRIBUTES.iter().find(|(oid, _)| *oid == kind).map(|(_, short)| *short);
        // Writing to a String cannot fail.
        let _ok = match short {
            Some(short) => write!(line, "/{short}={value}"),
            None => write!(line, "/{}={value}", dotted(kind)),
        };
        if kind == COMMON_NAME {
            common_name = Some(value);
        }
    }
    Ok(Name { line, common_name })
}

/// Without what would move a terminal's cursor.
fn text(tag: u8, value: &[u8]) -> String {
    let text = if tag == BMP_STRING {
        let units: Vec<u16> = value.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        String::from_utf16_lossy(&units)
    } else {
        String::from_utf8_lossy(value).into_owned()
    };
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// `2.5.4.17`; the first byte holds two numbers.
fn dotted(oid: &[u8]) -> String {
    let Some((first, rest)) = oid.split_first() else { return String::new() };
    let (mut out, mut number) = (format!("{}.{}", first / 40, first % 40), 0_u64);
    for byte in rest {
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            // As above.
            let _ok = write!(out, ".{number}");
            number = 0;
        }
    }
    out
}

fn alternative_names(mut extensions: Reader<'_>) -> Result<Vec<String>, BadCertificate> {
    let mut names = Vec::new();
    while let Some((SEQUENCE, extension)) = extensions.next()? {
        let mut extension = Reader(extension);
        if extension.take(OID)? != ALTERNATIVE_NAMES {
            continue;
        }
        extension.maybe(BOOLEAN)?;
        let mut all = Reader(extension.take(OCTETS)?).sequence()?;
        while let Some((tag, name)) = all.next()? {
            if tag == DNS_NAME && names.len() < NAMES_LIMIT {
                names.push(text(tag, name));
            }
        }
    }
    Ok(names)
}

/// What is left of some DER. Nothing is read twice, so that no nesting costs anything.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next value with its tag; `None` at the end.
    fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, BadCertificate> {
        let Some((&tag, rest)) = self.0.split_first() else { return Ok(None) };
        let (&first, rest) = rest.split_first().ok_or(BadCertificate)?;
        let (len, rest) = match first {
            0..0x80 => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(BadCertificate)?;
                (digits.iter().fold(0, |len, digit| (len << 8) | usize::from(*digit)), rest)
            }
            0x80 | 0x85.. => return Err(BadCertificate),
        };
        let (value, rest) = rest.split_at_checked(len).ok_or(BadCertificate)?;
        self.0 = rest;
        Ok(Some((tag, value)))
    }

    fn take(&mut self, wanted: u8) -> Result<&'a [u8], BadCertificate> {
        match self.next()? {
            Some((tag, value)) if tag == wanted => Ok(value),
            Some(_) | None => Err(BadCertificate),
        }
    }

    /// Passes over an optional value.
    fn maybe(&mut self, wanted: u8) -> Result<(), BadCertificate> {
        if self.0.first() == Some(&wanted) { self.take(wanted).map(|_| ()) } else { Ok(()) }
    }

    fn sequence(&mut self) -> Result<Self, BadCertificate> {
        self.take(SEQUENCE).map(Self)
    }

    /// `250102030405Z`, or with a year of four digits.
    fn time(&mut self) -> Result<Timestamp, BadCertificate> {
        let (tag, value) = self.next()?.ok_or(BadCertificate)?;
        let digits = value.strip_suffix(b"Z").ok_or(BadCertificate)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(BadCertificate);
        }
        let number = |at: usize, len: usize| {
            let part = digits.get(at..at + len).ok_or(BadCertificate)?;
            Ok(part.iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0')))
        };
        let (year, at) = match tag {
            // RFC 5280, 4.1.2.5.1.
            UTC_TIME => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
            GENERALIZED_TIME => (number(0, 4)?, 4),
            _ => return Err(BadCertificate),
        };
        let year = i32::try_from(year).map_err(|_| BadCertificate)?;
        let date = NaiveDate::from_ymd_opt(year, number(at, 2)?, number(at + 2, 2)?).ok_or(BadCertificate)?;
        let time = NaiveTime::from_hms_opt(number(at + 4, 2)?, number(at + 6, 2)?, number(at + 8, 2)?);
        let moment = NaiveDateTime::new(date, time.ok_or(BadCertificate)?);
        Ok(Timestamp(moment.and_utc().timestamp_micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, len[0], len[1]], value].concat()
    }

    fn dn(common_name: &str) -> Vec<u8> {
        let pair = [tlv(OID, COMMON_NAME), tlv(0x0c, common_name.as_bytes())].concat();
        let country = [tlv(OID, &[0x55, 4, 6]), tlv(0x13, b"AT")].concat();
        tlv(SEQUENCE, &[tlv(SET, &tlv(SEQUENCE, &country)), tlv(SET, &tlv(SEQUENCE, &pair))].concat())
    }

    fn certificate(subject: &str, names: &[&str]) -> Vec<u8> {
        let life = [tlv(UTC_TIME, b"250102030405Z"), tlv(GENERALIZED_TIME, b"20510102030405Z")].concat();
        let mut body = [
            tlv(VERSION, &tlv(INTEGER, &[2])),
            tlv(INTEGER, &[1]),
            tlv(SEQUENCE, &[]),
            dn("An authority"),
            tlv(SEQUENCE, &life),
            dn(subject),
            tlv(SEQUENCE, &[]),
        ]
        .concat();
        if !names.is_empty() {
            let names: Vec<u8> = names.iter().flat_map(|name| tlv(DNS_NAME, name.as_bytes())).collect();
            let extension = [tlv(OID, ALTERNATIVE_NAMES), tlv(OCTETS, &tlv(SEQUENCE, &names))].concat();
            body.extend(tlv(EXTENSIONS, &tlv(SEQUENCE, &tlv(SEQUENCE, &extension))));
        }
        tlv(SEQUENCE, &tlv(SEQUENCE, &body))
    }

    #[test]
    fn route_6_what_a_certificate_says() {
        let read = Certificate::read(&certificate("www.example.com", &["www.example.com", "*.example.com"])).unwrap();
        assert_eq!(
            (read.subject.as_str(), read.issuer.as_str()),
            ("/C=AT/CN=www.example.com", "/C=AT/CN=An authority")
        );
        assert_eq!(read.names, ["www.example.com", "*.example.com"]);
        let life = (read.starts_at.rfc3339(), read.expires_at.rfc3339());
        assert_eq!(life, ("2025-01-02T03:04:05Z".to_owned(), "2051-01-02T03:04:05Z".to_owned()));
        assert!(!read.is_self_signed());
        let old = Certificate::read(&certificate("An authority", &[])).unwrap();
        assert!(old.is_self_signed() && old.names == ["An authority"], "{old:?}");
        let odd = Certificate::read(&certificate("a\u{1b}[2J", &["b\u{1b}"])).unwrap();
        assert!(odd.subject.ends_with("CN=a?[2J") && odd.names == ["b?"], "{odd:?}");
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1]), "1.2.840.113549.1.9.1");
    }

    #[test]
    fn bytes_that_are_none_end_in_an_error_and_nothing_worse() {
        let good = certificate("www.example.com", &["www.example.com"]);
        for end in 0..good.len() {
            assert_eq!(Certificate::read(&good[..end]), Err(BadCertificate), "cut at {end}");
        }
        for at in 0..good.len() {
            for byte in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                // Whatever it says: it returns.
                let _said = Certificate::read(&bad).is_ok();
            }
        }
    }
}
