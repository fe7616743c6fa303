//! Source to slug: buildpacks, compile in a sandbox, slug files.
