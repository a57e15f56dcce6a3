//! The layers around a request, one a file.

mod answer_errors;
mod authenticate;
mod catch_panics;
mod check_heads;
mod fall_back;
mod limit_in_flight;
mod read_bodies;
mod serve_files;
mod shed_load;
mod trace_requests;

pub(crate) use answer_errors::{AnswerErrors, refusal};
pub(crate) use authenticate::{Authenticate, count_call};
pub(crate) use catch_panics::CatchPanics;
pub(crate) use check_heads::CheckHeads;
pub(crate) use fall_back::FallBack;
pub(crate) use limit_in_flight::{InFlight, LimitInFlight};
pub(crate) use read_bodies::ReadBodies;
pub(crate) use serve_files::ServeFiles;
pub(crate) use shed_load::ShedLoad;
pub(crate) use trace_requests::TraceRequests;

use std::pin::Pin;

use http::Response;

use crate::body::Body;

/// What goes wrong below the layer that answers errors.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A layer's future; boxed, as this is an application and not a library of layers.
pub(crate) type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// What a layer gives on that only lets pass or refuses: the future of the one below, in no box of its own.
pub(crate) type Answering = BoxFuture<Response<Body>, BoxError>;
