module stoa.test/exporter

go 1.19
