import { ChevronLeft, ChevronRight } from 'lucide-react'
import { Button } from '@/components/ui/Button'
import { Kbd } from '@/components/ui/Kbd'

interface ListFooterProps {
  page: number
  pages: number
  onTurn: (page: number) => void
}

/** The keys that work here, and the pages. */
export function ListFooter({ page, pages, onTurn }: ListFooterProps) {
  return (
    <footer className="flex h-8 shrink-0 items-center gap-4 border-t border-line bg-panel px-3 text-2xs text-faint">
      <span className="hidden items-center gap-1.5 md:flex">
        <Kbd>↑</Kbd>
        <Kbd>↓</Kbd> choose <Kbd>Enter</Kbd> open <Kbd>O</Kbd> open in OHIF <Kbd>←</Kbd>
        <Kbd>→</Kbd> page <Kbd>/</Kbd> search
      </span>
      <div className="flex-1" />
      {pages > 1 && (
        <nav className="flex items-center gap-1 text-xs text-soft tabular-nums" aria-label="Pages of the list">
          <Button look="quiet" aria-label="Previous page" disabled={page === 0} onClick={() => onTurn(page - 1)}>
            <ChevronLeft aria-hidden />
          </Button>
          Page {page + 1} of {pages}
          <Button look="quiet" aria-label="Next page" disabled={page >= pages - 1} onClick={() => onTurn(page + 1)}>
            <ChevronRight aria-hidden />
          </Button>
        </nav>
      )}
    </footer>
  )
}
