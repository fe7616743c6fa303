# One of everything that the platform's Terraform provider manages and Flowline has; scripts/test-terraform runs it.
terraform {
  required_providers {
    heroku = { source = "heroku/heroku" }
  }
}

provider "heroku" {}

variable "colour" { default = "red" }
variable "quantity" { default = 1 }
variable "colleague" { default = "ada@example.org" }
variable "certificate" { default = "first" }
variable "certificates" {}
variable "source_path" {}
variable "slug_path" {}

resource "heroku_app" "shop" {
  name       = "shop"
  region     = "us"
  stack      = "heroku-24"
  buildpacks = ["heroku/python"]
  config_vars = {
    COLOUR = var.colour
  }
  sensitive_config_vars = {
    PASSWORD = "correct horse"
  }
}

resource "heroku_config" "shared" {
  vars           = { LEVEL = "9" }
  sensitive_vars = { TOKEN = "t-${var.colour}" }
}

resource "heroku_app_config_association" "more" {
  app_id         = heroku_app.shop.id
  vars           = heroku_config.shared.vars
  sensitive_vars = merge(heroku_config.shared.sensitive_vars, { KEY = "k" })
}

resource "heroku_app_feature" "metadata" {
  app_id = heroku_app.shop.id
  name   = "runtime-dyno-metadata"
}

resource "heroku_build" "first" {
  app_id     = heroku_app.shop.id
  buildpacks = ["heroku/python"]
  source {
    path = var.source_path
  }
}

resource "heroku_formation" "web" {
  app_id     = heroku_app.shop.id
  type       = "web"
  quantity   = var.quantity
  size       = "Standard-1x"
  depends_on = [heroku_build.first]
}

resource "heroku_collaborator" "ada" {
  app_id = heroku_app.shop.id
  email  = var.colleague
}

resource "heroku_drain" "logs" {
  app_id = heroku_app.shop.id
  url    = "syslog://127.0.0.1:1514"
}

resource "heroku_app_webhook" "hook" {
  app_id  = heroku_app.shop.id
  level   = "notify"
  url     = "http://127.0.0.1:1599/${var.colour}"
  include = ["api:release"]
}

resource "heroku_ssl" "www" {
  app_id            = heroku_app.shop.id
  certificate_chain = file("${var.certificates}/${var.certificate}.pem")
  private_key       = file("${var.certificates}/${var.certificate}.key")
  depends_on        = [heroku_formation.web]
}

resource "heroku_domain" "www" {
  app_id          = heroku_app.shop.id
  hostname        = "www.example.org"
  sni_endpoint_id = heroku_ssl.www.id
}

resource "heroku_domain" "all" {
  app_id   = heroku_app.shop.id
  hostname = "*.shop.example.org"
}

resource "heroku_app" "teams" {
  name   = "teams-app"
  region = "eu"
  organization {
    name = "acme"
  }
}

resource "heroku_team_member" "bob" {
  team  = "acme"
  email = "bob@example.org"
  role  = "viewer"
}

resource "heroku_team_collaborator" "bob" {
  app_id      = heroku_app.teams.id
  email       = "bob@example.org"
  permissions = ["deploy", "operate", "view"]
  depends_on  = [heroku_team_member.bob]
}

resource "heroku_slug" "code" {
  app_id        = heroku_app.teams.id
  file_path     = var.slug_path
  process_types = { web = "python3 -m http.server $PORT" }
}

resource "heroku_app_release" "code" {
  app_id  = heroku_app.teams.id
  slug_id = heroku_slug.code.id
}

resource "heroku_app" "live" {
  name   = "live-app"
  region = "us"
  stack  = "heroku-24"
}

resource "heroku_pipeline" "line" {
  name = "line"
}

resource "heroku_pipeline_coupling" "staging" {
  app_id   = heroku_app.teams.id
  pipeline = heroku_pipeline.line.id
  stage    = "staging"
}

resource "heroku_pipeline_coupling" "live" {
  app_id   = heroku_app.live.id
  pipeline = heroku_pipeline.line.id
  stage    = "production"
}

resource "heroku_pipeline_config_var" "tests" {
  pipeline_id    = heroku_pipeline.line.id
  pipeline_stage = "test"
  vars           = { COLOUR = var.colour }
  sensitive_vars = { KEY = "k" }
}

resource "heroku_pipeline_promotion" "first" {
  pipeline      = heroku_pipeline.line.id
  source_app_id = heroku_app.teams.id
  release_id    = heroku_app_release.code.id
  targets       = [heroku_app.live.id]
  depends_on    = [heroku_pipeline_coupling.staging, heroku_pipeline_coupling.live]
}

data "heroku_app" "shop" {
  name       = heroku_app.shop.name
  depends_on = [heroku_formation.web]
}

data "heroku_pipeline" "line" {
  name       = heroku_pipeline.line.name
  depends_on = [heroku_pipeline_coupling.live]
}

data "heroku_team" "acme" {
  name = "acme"
}

data "heroku_team_members" "viewers" {
  team       = "acme"
  roles      = ["viewer"]
  depends_on = [heroku_team_member.bob]
}

output "read" {
  value = [
    data.heroku_app.shop.name, data.heroku_pipeline.line.name, data.heroku_team.acme.name,
    data.heroku_team_members.viewers.members[0].email,
  ]
}
