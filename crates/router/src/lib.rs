//! Public HTTP data plane over a route table.
