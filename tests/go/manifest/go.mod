module manifest

go 1.21
