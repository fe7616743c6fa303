//! Dynos on this machine, with everything real: processes, namespaces, cgroups.

mod limits;
mod ordinary_user;
mod run;
mod sandbox;
mod support;
mod survive;
