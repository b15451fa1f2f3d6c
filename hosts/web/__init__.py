"""HTTP and TLS on the hosts: clients, servers, redirects, certificates, problem details."""
