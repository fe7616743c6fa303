//! Requests of an app by hour: how they ended, and how long they took.

use crate::latency::{Counts, Latency};

/// A connection that became a WebSocket: it lasts as long as both sides like, which says nothing about the app's speed.
const SWITCHING_PROTOCOLS: u16 = 101;

/// What is counted of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Its answer's.
    pub status: u16,
    /// How long a dyno took, in milliseconds; none was asked without it.
    pub service_ms: Option<u64>,
}

impl Request {
    /// How long a dyno took, if that says anything about the app's speed.
    #[must_use]
    pub fn latency_ms(self) -> Option<u64> {
        self.service_ms.filter(|_| self.status != SWITCHING_PROTOCOLS)
    }

    /// What the router's line of a request says at its end, in the order of ROUTE-50; the visitor's own words come before.
    #[must_use]
    pub fn of_line(text: &str) -> Option<Self> {
        let mut words = text.rsplit(' ');
        words.next()?.strip_prefix("protocol=")?;
        words.next()?.strip_prefix("bytes=")?;
        let status = words.next()?.strip_prefix("status=")?.parse().ok()?;
        let service = words.next()?.strip_prefix("service=")?;
        Some(Self { status, service_ms: service.strip_suffix("ms").and_then(|text| text.parse().ok()) })
    }
}

/// What an app's requests came to in an hour, or in several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many ended with which status.
    pub statuses: Counts,
    /// How long the app's dynos took; WebSockets are left out, and what no dyno was asked.
    pub latency: Latency,
}

impl Traffic {
    /// One more.
    pub fn note(&mut self, request: Request) {
        self.statuses.add(request.status, 1);
        if let Some(took_ms) = request.latency_ms() {
            self.latency.note(took_ms);
        }
    }

    /// All of these as well.
    pub fn merge(&mut self, more: &Self) {
        self.statuses.merge(&more.statuses);
        self.latency.merge(&more.latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_50_a_line_says_how_a_request_ended() {
        let line = |rest: &str| {
            let visitor =
                "path=\"/ status=999 service=9ms\" host=shop.localhost request_id=1 fwd=\"status=1\" dyno=web.1";
            Request::of_line(&format!("at=info method=GET {visitor} connect=1ms {rest}"))
        };
        let request = |status, service_ms| Some(Request { status, service_ms });
        assert_eq!(line("service=20ms status=200 bytes=5 protocol=http"), request(200, Some(20)));
        assert_eq!(line("service= status=503 bytes= protocol=http"), request(503, None));
        assert_eq!(line("service=20ms status=200 bytes=5"), None);
        assert_eq!(line("service=20ms status= bytes=5 protocol=http"), None);
        assert_eq!(Request::of_line("protocol=http"), None);
        assert_eq!(Request::of_line(""), None);
    }

    #[test]
    fn web_sockets_and_what_no_dyno_was_asked_have_no_latency() {
        let mut traffic = Traffic::default();
        for (status, service_ms) in
            [(200, Some(4)), (101, Some(3_600_000)), (503, None), (500, Some(6)), (200, Some(8))]
        {
            traffic.note(Request { status, service_ms });
        }
        assert_eq!(traffic.statuses.to_string(), "101:1 200:2 500:1 503:1");
        assert_eq!((traffic.latency.count(), traffic.latency.longest_ms), (3, 8));
        let mut twice = traffic.clone();
        twice.merge(&traffic);
        assert_eq!((twice.statuses.total(), twice.latency.count()), (10, 6));
    }
}
