mod model;
mod scenarios;
mod world;
