//! The command line: the verbs of heroku over the Platform API.
