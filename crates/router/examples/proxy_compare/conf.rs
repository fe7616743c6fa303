//! What nginx and haproxy are told: the same work as the router's, the same headers added, the same facts logged.

use crate::program::THREADS;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// Bodies are passed on as they come, as the router does: both would otherwise be written to files.
pub(crate) fn nginx(dir: &Path, name: &str, addr: SocketAddr, backend: SocketAddr, log: &str) -> String {
    let path = dir.display();
    let mut conf = format!(
        "daemon off; worker_processes {THREADS}; pid {path}/{name}.pid; error_log {path}/{name}.error;\n\
         events {{ worker_connections 4096; }}\nhttp {{ keepalive_requests 100000000; keepalive_timeout 60s;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(conf, "{kind}_temp_path {path}/{name}.{kind};");
    }
    format!(
        "{conf} log_format bench 'at=info method=$request_method path=\"$request_uri\" host=$host \
         request_id=$request_id fwd=\"$proxy_add_x_forwarded_for\" dyno=web.1 connect=$upstream_connect_time \
         service=$upstream_response_time status=$status bytes=$bytes_sent protocol=http';\n\
         access_log {log};\n\
         upstream app {{ server {backend}; keepalive 256; keepalive_requests 100000000; }}\n\
         server {{ listen {addr} reuseport backlog=1024; client_max_body_size 0;\n\
         proxy_request_buffering off; proxy_max_temp_file_size 0; proxy_http_version 1.1;\n\
         location / {{ proxy_pass http://app; proxy_set_header Connection \"\"; {headers} }}\n\
         location /socket {{ proxy_pass http://app; proxy_set_header Connection upgrade;\n\
         proxy_set_header Upgrade $http_upgrade; {headers} }} }} }}\n",
        headers = NGINX_HEADERS
    )
}

const NGINX_HEADERS: &str = "proxy_set_header Host $host; proxy_set_header Via \"1.1 nginx\";\n\
     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;\n\
     proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-Start $msec;\n\
     proxy_set_header X-Request-Id $request_id; add_header Via \"1.1 nginx\";";

/// Its log goes to its standard output, which is a file: a datagram socket of syslog loses lines under load.
pub(crate) fn haproxy(addr: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "global\n nbthread {THREADS}\n maxconn 4096\n log stdout len 2048 format raw local0\n\
         defaults\n mode http\n log global\n option http-keep-alive\n http-reuse always\n\
         timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout tunnel 1h\n\
         frontend public\n bind {addr} backlog 1024\n option forwardfor\n\
         unique-id-format %[uuid()]\n unique-id-header X-Request-Id\n\
         http-request capture req.hdr(Host) len 64\n http-request capture src len 64\n\
         http-request set-header X-Forwarded-Proto http\n http-request set-header X-Forwarded-Port %[dst_port]\n\
         http-request set-header X-Request-Start %[date(0,ms)]\n http-request add-header Via \"1.1 haproxy\"\n\
         http-response add-header Via \"1.1 haproxy\"\n\
         log-format \"at=info method=%HM path=\\\"%HU\\\" host=%[capture.req.hdr(0)] request_id=%ID \
         fwd=\\\"%[capture.req.hdr(1)]\\\" dyno=web.1 connect=%Tc service=%Tr status=%ST bytes=%B protocol=http\"\n\
         default_backend app\nbackend app\n server web.1 {backend}\n"
    )
}
